//! Measures qqmgr against the bare tools: its cost, and whether that meets the targets. Prints a
//! table, and never fails because of a number.

mod bare;
mod boot;
mod interrupt;
mod measure;
mod notice;
mod rows;
mod scratch;
mod table;

use clap::Parser;
use scratch::Scratch;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A boot takes seconds, so the number of pairs is divided by this.
const RUNS_PER_BOOT: u32 = 20;

/// Measures qqmgr against the bare tools, as medians of paired runs that take turns
#[derive(Parser)]
struct Options {
    /// How many pairs for each row
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// The qqmgr to measure
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_qqmgr"))]
    qqmgr: PathBuf,
    /// Rows to measure [default: all]
    rows: Vec<Group>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// Rows that share their VMs.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Group {
    Start,
    Status,
    Ssh,
    Notice,
    Wait,
    Run,
    List,
    Memory,
    Size,
}

fn main() -> ExitCode {
    // First of all: `status` is measured against this process, so it does no other work.
    if let Some(socket) = bare::asked_for() {
        return bare::run(&socket);
    }
    match measure_all(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure_all(options: &Options) -> Result<()> {
    interrupt::watch()?;
    // A process that a measured one leaves running becomes our child, so we can wait for it.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let scratch = Scratch::new(options.qqmgr.canonicalize()?)?;
    println!("{}", table::header());
    let wanted = |group| options.rows.is_empty() || options.rows.contains(&group);
    if wanted(Group::Start) {
        println!("{}", rows::start(&scratch, options.runs)?);
    }
    if wanted(Group::Status) {
        for row in rows::status(&scratch, options.runs)? {
            println!("{row}");
        }
    }
    if wanted(Group::Ssh) {
        println!("{}", rows::ssh(&scratch, options.runs)?);
    }
    if wanted(Group::Notice) {
        println!("{}", notice::serial(&scratch, options.runs)?);
        println!("{}", notice::event(&scratch, options.runs)?);
    }
    let boots = options.runs.div_ceil(RUNS_PER_BOOT);
    if wanted(Group::Wait) {
        println!("{}", boot::wait(&scratch, boots)?);
    }
    if wanted(Group::Run) {
        println!("{}", boot::run_true(&scratch, boots)?);
    }
    if wanted(Group::List) {
        println!("{}", rows::list(&scratch, options.runs)?);
    }
    if wanted(Group::Memory) {
        for row in rows::memory(&scratch)? {
            println!("{row}");
        }
    }
    if wanted(Group::Size) {
        println!("{}", rows::size(&options.qqmgr)?);
    }
    Ok(())
}
