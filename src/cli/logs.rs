//! `qqmgr serial`, `stdout` and `stderr`.

use super::args::attach::LogArgs;
use super::{Context, output, stdout};
use crate::Error;
use crate::error::cant;
use crate::logs::{self, Follower, Log, Next};
use crate::text::sanitize::Sanitizer;
use serde::ser::{Serialize, SerializeSeq, Serializer};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

/// In JSON, a longer line comes in pieces of about this length, in bytes.
const LONGEST_LINE: usize = 64 << 10;

/// A log's last lines, for `--json`.
#[derive(serde::Serialize)]
struct Tail<'a> {
    name: &'a str,
    file: &'a Path,
    lines: &'a Lines,
}

/// The rest of a log. It is read while it is written out, since it may not fit into memory.
struct Lines {
    log: RefCell<BufReader<File>>,
    /// The error that ended the reading.
    failure: RefCell<Option<io::Error>>,
}

impl Serialize for Lines {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut lines = to.serialize_seq(None)?;
        let mut log = self.log.borrow_mut();
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let read = log.by_ref().take(LONGEST_LINE as u64).read_until(b'\n', &mut bytes);
            *self.failure.borrow_mut() = read.err();
            if bytes.is_empty() {
                return lines.end();
            }
            lines.serialize_element(&line(&bytes))?;
        }
    }
}

/// One line of a log that is followed, for `--json`.
#[derive(serde::Serialize)]
struct Line {
    line: String,
}

pub async fn run(context: &Context, log: Log, args: LogArgs) -> Result<ExitCode, Error> {
    let instance = context.find(&args.vm)?.1;
    if args.follow {
        let follower = Follower::open(&instance, log, args.lines, args.retry)?;
        return follow(context, &args, follower).await;
    }
    let mut file = logs::open(&instance, log, args.lines)?;
    let path = instance.dir.join(log.file_name());
    let failed = cant("read", &path);
    if !context.json {
        copy(&mut file).map_err(failed)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut log = BufReader::new(file);
    // If the first read fails, that is an error and not an empty list.
    log.fill_buf().map_err(failed)?;
    let lines = Lines { log: log.into(), failure: None.into() };
    output::long_document(&Tail { name: &args.vm, file: &path, lines: &lines });
    lines.failure.into_inner().map_or(Ok(ExitCode::SUCCESS), |error| Err(failed(error)))
}

fn copy(file: &mut File) -> io::Result<()> {
    let mut sink = Sink::new(false);
    let mut bytes = vec![0; 64 << 10];
    loop {
        let length = file.read(&mut bytes)?;
        if length == 0 || !sink.write(&bytes[..length]) {
            sink.finish();
            return Ok(());
        }
    }
}

async fn follow(
    context: &Context,
    args: &LogArgs,
    mut follower: Follower,
) -> Result<ExitCode, Error> {
    let tell = |text: &str| {
        if !context.json {
            output::note(format_args!("{}: {text}", args.vm));
        }
    };
    let was_running = follower.is_running();
    let mut sink = Sink::new(context.json);
    let mut bytes = Vec::new();
    let gone = stdout::reader_left();
    tokio::pin!(gone);
    loop {
        let next = tokio::select! {
            next = follower.next(&mut bytes) => next?,
            () = &mut gone => return Ok(ExitCode::SUCCESS),
        };
        match next {
            Next::Bytes if sink.write(&bytes) => {}
            Next::Bytes => return Ok(ExitCode::SUCCESS),
            Next::Anew => sink.finish(),
            Next::End => break,
        }
    }
    sink.finish();
    tell(if was_running { "ended" } else { "is not running; --retry waits for its start" });
    Ok(ExitCode::SUCCESS)
}

/// Standard output for the bytes of a log.
struct Sink {
    form: Form,
    buffer: Vec<u8>,
}

enum Form {
    /// For programs: every byte.
    Exact,
    /// For a terminal: sanitised.
    Harmless(Box<Sanitizer>),
    /// One JSON document for each line; the buffer contains the unfinished line.
    Json,
}

impl Sink {
    fn new(json: bool) -> Sink {
        let form = match json {
            true => Form::Json,
            false if io::stdout().is_terminal() => Form::Harmless(Box::default()),
            false => Form::Exact,
        };
        Sink { form, buffer: Vec::new() }
    }

    /// Writes bytes; false if it is no use to write more.
    fn write(&mut self, bytes: &[u8]) -> bool {
        match &mut self.form {
            Form::Exact => stdout::write(bytes),
            Form::Harmless(sanitizer) => {
                self.buffer.clear();
                sanitizer.push(bytes, &mut self.buffer);
                stdout::write(&self.buffer)
            }
            Form::Json => {
                for part in bytes.split_inclusive(|byte| *byte == b'\n') {
                    self.buffer.extend_from_slice(part);
                    let full = part.ends_with(b"\n") || self.buffer.len() >= LONGEST_LINE;
                    if full && !put_line(&mut self.buffer) {
                        return false;
                    }
                }
                true
            }
        }
    }

    /// Finishes the last line or sequence.
    fn finish(&mut self) {
        match &mut self.form {
            Form::Harmless(sanitizer) => {
                self.buffer.clear();
                sanitizer.finish(&mut self.buffer);
                stdout::write(&self.buffer);
            }
            Form::Json if !self.buffer.is_empty() => {
                put_line(&mut self.buffer);
            }
            Form::Exact | Form::Json => {}
        }
    }
}

fn put_line(buffer: &mut Vec<u8>) -> bool {
    let line = line(buffer);
    buffer.clear();
    output::document(&Line { line })
}

/// A line as text, without its line ending.
fn line(bytes: &[u8]) -> String {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}
