//! Asks QEMU's programs about their options and images, each question once.

use crate::config::Vm;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::{Mutex, OnceCell, Semaphore};

/// A binary answers in some 20 ms; one that does not answer in time is not QEMU.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer is some 16 KiB; an endless one is not from QEMU either.
const LONGEST: u64 = 16 << 20;

/// How many questions are under way at once.
const SIDE_BY_SIDE: usize = 8;

/// A QEMU program with the environment that a VM runs it in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    pub bin: String,
    env: Vec<(String, String)>,
    dir: PathBuf,
}

/// The arguments of a question.
pub type Question = Vec<String>;

/// The output of a program.
pub struct Answer {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

/// An answer, or why the program could not be run.
pub type Told = Result<Arc<Answer>, String>;

type Asked = HashMap<(Program, Question), Arc<OnceCell<Told>>>;

/// Asks each question once, when its answer is first needed.
pub struct Qemus {
    asked: Mutex<Asked>,
    turns: Semaphore,
}

impl Program {
    /// The VM's QEMU.
    pub fn of(vm: &Vm) -> Program {
        Program { bin: vm.bin.clone(), env: vm.env.clone(), dir: vm.config_dir.clone() }
    }

    /// The VM's image tool.
    pub fn image_tool(vm: &Vm) -> Program {
        Program { bin: vm.img.clone(), ..Program::of(vm) }
    }

    async fn run(&self, question: &Question) -> Result<Answer, String> {
        let mut command = Command::new(&self.bin);
        command.args(question).envs(self.env.iter().cloned()).current_dir(&self.dir);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        match tokio::time::timeout(PATIENCE, answer(command)).await {
            Ok(answer) => answer.map_err(crate::error::plain),
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
        return Err(io::Error::other("its output does not end"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Default for Qemus {
    fn default() -> Qemus {
        Qemus { asked: Mutex::default(), turns: Semaphore::new(SIDE_BY_SIDE) }
    }
}

impl Qemus {
    /// A program's answer to a question.
    pub async fn answer(&self, program: &Program, question: Question) -> Told {
        let key = (program.clone(), question.clone());
        let answer = self.asked.lock().await.entry(key).or_default().clone();
        let ask = || async {
            let _turn = self.turns.acquire().await;
            program.run(&question).await.map(Arc::new)
        };
        answer.get_or_init(ask).await.clone()
    }
}
