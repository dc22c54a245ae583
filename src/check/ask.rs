//! Asks QEMU's programs what they know, each question once.

use crate::config::Vm;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::task::JoinSet;

/// A binary answers in some 20 ms; one that does not answer at all is no QEMU.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer is some 16 KiB; one without an end is not QEMU's either.
const LONGEST: u64 = 16 << 20;

/// How many questions are under way at once.
const SIDE_BY_SIDE: usize = 8;

/// A program of QEMU's as a VM runs it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    pub bin: String,
    env: Vec<(String, String)>,
    dir: PathBuf,
}

/// The arguments of a question.
pub type Question = Vec<String>;

/// What a binary said.
#[derive(Clone, Debug)]
pub struct Answer {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

/// The answers so far; an error where the binary could not be run.
#[derive(Default)]
pub struct Qemus {
    answers: HashMap<(Program, Question), Result<Answer, String>>,
}

impl Program {
    /// Its QEMU.
    pub fn of(vm: &Vm) -> Program {
        Program { bin: vm.bin.clone(), env: vm.env.clone(), dir: vm.config_dir.clone() }
    }

    /// Its image tool.
    pub fn image_tool(vm: &Vm) -> Program {
        Program { bin: vm.img.clone(), ..Program::of(vm) }
    }

    async fn run(&self, question: &Question) -> Result<Answer, String> {
        let mut command = Command::new(&self.bin);
        command.args(question).envs(self.env.iter().cloned()).current_dir(&self.dir);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        match tokio::time::timeout(PATIENCE, answer(command)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err("it does not answer".to_owned()),
        }
    }
}

async fn answer(mut command: Command) -> io::Result<Answer> {
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = tokio::try_join!(text(stdout), text(stderr))?;
    Ok(Answer { success: child.wait().await?.success(), stdout, stderr })
}

async fn text(stream: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(LONGEST + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other("its answer has no end"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Qemus {
    /// Asks what was not asked before, side by side.
    pub async fn ask<'a>(&mut self, questions: impl Iterator<Item = (&'a Program, Question)>) {
        let questions = questions.map(|(program, question)| (program.clone(), question));
        let new: HashSet<_> = questions.filter(|key| !self.answers.contains_key(key)).collect();
        let mut new = new.into_iter();
        let mut asked = JoinSet::new();
        loop {
            while asked.len() < SIDE_BY_SIDE
                && let Some((program, question)) = new.next()
            {
                asked.spawn(async move {
                    let answer = program.run(&question).await;
                    ((program, question), answer)
                });
            }
            match asked.join_next().await {
                Some(Ok((key, answer))) => self.answers.insert(key, answer),
                Some(Err(_)) => continue,
                None => return,
            };
        }
    }

    /// The answer to a question that was asked.
    pub fn answer(&self, program: &Program, question: &Question) -> Option<&Answer> {
        self.answers.get(&(program.clone(), question.clone()))?.as_ref().ok()
    }

    /// Why the binary could not be asked, if it could not.
    pub fn failure(&self, program: &Program, question: &Question) -> Option<&str> {
        let answer = self.answers.get(&(program.clone(), question.clone()))?;
        answer.as_ref().err().map(String::as_str)
    }
}
