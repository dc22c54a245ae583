//! Checks whether QEMU can open the files that options name: they exist, are readable, and no other
//! process uses the disk images.

use super::files::{Image, Named, local_files};
use super::finding::{Code, Finding};
use super::subject::Subject;

use super::{images, lock, remedy};
use crate::error::plain;
use futures_util::future::join_all;
use rustix::fs::{Access, AtFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Options whose files QEMU also looks for in its own directories.
const SHIPPED: [&str; 2] = ["bios", "dtb"];

/// The faults of the files.
pub async fn findings(subject: &Subject<'_>) -> Vec<Finding> {
    let files = local_files(subject);
    let findings = join_all(files.iter().map(|file| finding(subject, file, &files))).await;
    findings.into_iter().flatten().collect()
}

async fn finding(subject: &Subject<'_>, file: &Named<'_>, all: &[Named<'_>]) -> Option<Finding> {
    if SHIPPED.contains(&file.option) && is_shipped(subject, &file.path).await {
        return None;
    }
    match look(subject, file, all) {
        None => images::finding(subject, file).await,
        found => found,
    }
}

/// Whether QEMU finds the file in one of its directories.
async fn is_shipped(subject: &Subject<'_>, path: &str) -> bool {
    let told = subject.ask(vec!["-L".to_owned(), "help".to_owned()]).await;
    let told = told.as_ref().map_or("", |answer| &answer.stdout);
    let own = subject.with_value(&["L"]).map(|(_, arg)| arg.text.as_str());
    let mut dirs = own.chain(told.lines()).map(|dir| subject.vm.config_dir.join(dir));
    dirs.any(|dir| dir.join(path).exists())
}

fn look(subject: &Subject, named: &Named, all: &[Named]) -> Option<Finding> {
    let about = |code, message| Some(subject.about(code, named.arg, &named.path, message));
    let path = subject.vm.config_dir.join(&named.path);
    let shown = path.display();
    let mut options = File::options();
    // Opening a device or a pipe must not block.
    options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = match options.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let finding = about(Code::FileMissing, format!("{shown} does not exist"))?;
            return Some(match remedy::of(subject, named, all, &path) {
                Some(hint) => finding.hint(hint),
                None => finding,
            });
        }
        Err(error) => {
            return about(Code::FileUnreadable, format!("can't read {shown}: {}", plain(error)));
        }
    };
    let image = named.image.as_ref()?;
    if !image.read_only
        && rustix::fs::accessat(rustix::fs::CWD, &path, Access::WRITE_OK, AtFlags::EACCESS).is_err()
    {
        return about(Code::FileUnwritable, format!("{shown} can't be written"))
            .map(|finding| finding.hint("make it read-only for QEMU too, with `readonly=on`"));
    }
    locked(subject, named, &file, image, &path)
}

fn locked(
    subject: &Subject,
    named: &Named,
    file: &File,
    image: &Image,
    path: &Path,
) -> Option<Finding> {
    if !image.locking || !lock::is_locked(file, image.read_only).unwrap_or(false) {
        return None;
    }
    let users = lock::users(file);
    if subject.pid().is_some_and(|pid| users.contains(&pid)) {
        return None;
    }
    let users: Vec<_> = users.into_iter().map(crate::vm::describe_process).collect();
    let by = match users.is_empty() {
        true => "another user's process".to_owned(),
        false => users.join(", "),
    };
    let message = format!("the image {} is in use by {by}", path.display());
    let hint = "stop it, or give this VM a copy of the image";
    Some(subject.about(Code::ImageLocked, named.arg, &named.path, message).hint(hint))
}
