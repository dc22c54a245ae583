//! The outcome of a run, compared exactly except for values that vary.

use regex::{Captures, Regex};
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A program's output and its exit code.
pub struct Outcome {
    pub command: String,
    pub lab: PathBuf,
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Values that vary, and the names that replace them.
static PLACEHOLDERS: LazyLock<[(Regex, &str); 8]> = LazyLock::new(|| {
    let rule = |regex: &str| Regex::new(regex).unwrap();
    [
        (rule(r"(/crashes/)[0-9]+-[0-9]+"), "[BUNDLE]"),
        (rule(r#"(\bpid"?:? *|with process )[0-9]+"#), "[PID]"),
        (rule(r#"("ssh_port":|SSH on port )[0-9]+"#), "[PORT]"),
        (rule(r#"("(?:uptime_)?seconds":)[0-9.]+"#), "[SECONDS]"),
        (rule(r"((?:after|uptime) +)[0-9]+\.[0-9]s"), "[SECONDS]"),
        (rule(r#"("expires_at":)[0-9]+"#), "[TIME]"),
        (rule(r"(\bends in )[0-9.]+[dhms](?: [0-9.]+[dhms])*"), "[TIME]"),
        (rule(r#"((?:QEMU +|"qemu_version":"))[0-9]+\.[0-9]+\.[0-9]+"#), "[VERSION]"),
    ]
});

impl Outcome {
    /// Asserts its exit code and every character that it printed.
    #[track_caller]
    pub fn expect(&self, code: i32, stdout: &str, stderr: &str) -> &Outcome {
        self.stdout(stdout).stderr(stderr).code(code)
    }

    /// Asserts that it succeeded and printed nothing but `stdout`.
    #[track_caller]
    pub fn ok(&self, stdout: &str) -> &Outcome {
        self.expect(0, stdout, "")
    }

    #[track_caller]
    pub fn code(&self, code: i32) -> &Outcome {
        assert!(self.code == code, "exit code {} instead of {code}\n{self}", self.code);
        self
    }

    #[track_caller]
    pub fn stdout(&self, expected: &str) -> &Outcome {
        self.compare("stdout", &self.stdout, expected)
    }

    #[track_caller]
    pub fn stderr(&self, expected: &str) -> &Outcome {
        self.compare("stderr", &self.stderr, expected)
    }

    #[track_caller]
    fn compare(&self, name: &str, found: &[u8], expected: &str) -> &Outcome {
        let found = self.normal(found);
        let same = found == expected;
        assert!(same, "{name} differs\n--- wanted\n{expected}\n--- found\n{found}\n---\n{self}");
        self
    }

    /// Standard output as JSON: exactly one document, on one line.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.text();
        assert!(text.ends_with('\n') && text.lines().count() == 1, "not one line\n{self}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }

    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap_or_else(|_| panic!("no UTF-8\n{self}"))
    }

    fn normal(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes).replace(self.lab.to_str().unwrap(), "[DIR]");
        PLACEHOLDERS.iter().fold(text, |text, (regex, name)| {
            regex.replace_all(&text, |found: &Captures| format!("{}{name}", &found[1])).into_owned()
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { command, lab, code, .. } = self;
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(8192)]).into_owned();
        let (stdout, stderr) = (text(&self.stdout), text(&self.stderr));
        writeln!(f, "command: {command}\ndirectory: {}\nexit code: {code}", lab.display())?;
        write!(f, "--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}
