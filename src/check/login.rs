//! Checks a VM's SSH options: it asks ssh itself.

use super::finding::{Code, Finding};
use super::subject::Subject;
use crate::Place;
use crate::config::{Config, Diagnostic, Vm};
use crate::ssh::{Doubts, KeyFault, Opinion};
use std::collections::HashMap;

/// ssh's opinions of options, asked once for VMs with the same options.
#[derive(Default)]
pub struct Opinions<'a>(HashMap<&'a [(String, Vec<String>)], Opinion>);

impl<'a> Opinions<'a> {
    /// The faults of a VM's options.
    pub async fn doubts(&mut self, config: &Config, vm: &'a Vm) -> Doubts {
        let Some(definition) = config.file.vm(&vm.instance.definition) else {
            return Doubts::default();
        };
        let options = vm.ssh.options.as_slice();
        if !self.0.contains_key(options) {
            self.0.insert(options, Opinion::of(&vm.ssh).await);
        }
        self.0[options].doubts(config, definition, &vm.ssh)
    }
}

/// Options that ssh refuses, and keys that it can't use.
pub fn findings(subject: &Subject) -> Vec<Finding> {
    let source = &subject.config.file.source;
    let Doubts { refused, keys, .. } = &subject.doubts;
    let refused = refused.iter().map(|doubt| (Code::SshOptionRefused, doubt));
    let keys = keys.iter().map(|(fault, doubt)| (code(*fault), doubt));
    let finding = |(code, doubt): (Code, &Diagnostic)| Finding {
        hint: doubt.hint.clone(),
        place: Some(Place { source: source.clone(), span: doubt.span.clone() }),
        ..subject.finding(code, doubt.message.clone())
    };
    refused.chain(keys).map(finding).collect()
}

fn code(fault: KeyFault) -> Code {
    match fault {
        KeyFault::Missing => Code::SshKeyMissing,
        KeyFault::Open => Code::SshKeyOpen,
        KeyFault::Unreadable => Code::SshKeyUnreadable,
        KeyFault::Locked => Code::SshKeyLocked,
    }
}
