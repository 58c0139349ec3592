//! What the benches share: arguments, the machine, medians and Markdown tables.
//!
//! Times of a busy machine say little, so both sides of a comparison take turns and the median of the turns' ratios counts.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    time::Instant,
};

/// Why a bench could not go on.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The number after `name` on the command line, `default` without it.
///
/// # Errors
/// When what stands there is no number.
pub fn number(name: &str, default: usize) -> Result<usize, Failure> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    match (arguments.next(), arguments.next()) {
        (None, _) => Ok(default),
        (Some(_), Some(value)) => value
            .parse()
            .map_err(|_| format!("{name} {value}: a number was expected").into()),
        (Some(_), None) => Err(format!("{name}: a number was expected").into()),
    }
}

/// The word after `name` on the command line.
#[must_use]
pub fn text(name: &str) -> Option<String> {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1)
}

/// Whether `name` stands on the command line.
#[must_use]
pub fn flag(name: &str) -> bool {
    std::env::args().any(|argument| argument == name)
}

/// A folder beside the benches' binaries, for what takes long to make: it is kept from run to run.
///
/// # Errors
/// When it cannot be made.
pub fn kept_folder() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let profile = program
        .parent()
        .and_then(Path::parent)
        .ok_or("a bench lies in TARGET/PROFILE/deps")?;
    let folder = profile.join("bench-data");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Processor, cores, memory, kernel and load, for the head of a report.
#[must_use]
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
    };
    let processor = field(&read("/proc/cpuinfo"), "model name")
        .unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kib: f64 = memory
        .split(' ')
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{processor}, {cores} cores, {:.0} GiB, Linux {}, load average at the start {}",
        kib / f64::from(1 << 20),
        kernel.trim(),
        load.split(' ').next().unwrap_or("unknown")
    )
}

/// The version of ONNX Runtime in the cache folder, by the symbol version that the library defines (`VERS_1.2.3`).
#[must_use]
pub fn runtime_version() -> String {
    const MARK: &[u8] = b"VERS_";
    let library = std::fs::read(runtime()).unwrap_or_default();
    let is_version = |rest: &&[u8]| rest.first().is_some_and(u8::is_ascii_digit);
    let mut places = library.windows(MARK.len()).enumerate();
    let version = places.find_map(|(at, window)| {
        let rest = library.get(at + MARK.len()..)?;
        (window == MARK).then_some(rest).filter(is_version)
    });
    let digits = version.unwrap_or_default().iter();
    let text: String = digits
        .map(|&byte| char::from(byte))
        .take_while(|letter| letter.is_ascii_digit() || *letter == '.')
        .collect();
    if text.is_empty() {
        "of unknown version".to_owned()
    } else {
        text
    }
}

/// The ONNX Runtime library in the cache folder.
#[must_use]
pub fn runtime() -> PathBuf {
    vinedb::models::default_home().join("runtime/libonnxruntime.so")
}

/// What a piece of work took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Seconds by the clock.
    pub clock: f64,
    /// Seconds of the processor, all threads together. It changes less than the clock when other programs run beside.
    pub processor: f64,
}

/// Does `work` and says what it took this process and the programs that it waited for.
///
/// # Errors
/// Those of `work`.
pub fn cost<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<Cost, Failure> {
    let (started, used) = (Instant::now(), processor_seconds()?);
    std::hint::black_box(work()?);
    let clock = started.elapsed().as_secs_f64();
    Ok(Cost {
        clock,
        processor: processor_seconds()? - used,
    })
}

/// User and system time of this process and of those that it has waited for, in Linux's ticks of 10 ms (`proc_pid_stat(5)`,
/// fields 14 to 17).
fn processor_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat
        .rsplit_once(')')
        .ok_or("/proc/self/stat has no command name")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(4)
        .map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

/// The median of `values`; NaN of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        even if even.is_multiple_of(2) => f64::midpoint(values[upper - 1], values[upper]),
        _ => values[upper],
    }
}

/// The median of `values` with the lowest and the highest.
pub fn spread(values: impl IntoIterator<Item = f64>) -> String {
    let values: Vec<f64> = values.into_iter().collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.3} ({low:.3} to {high:.3})", median(values))
}

/// A Markdown table: its head, then its rows.
#[must_use]
pub fn table<C: Display>(head: &[&str], rows: &[Vec<C>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head.iter().map(|&name| name.to_owned()).collect());
    text += &line(head.iter().map(|_| "---".to_owned()).collect());
    for row in rows {
        text += &line(row.iter().map(ToString::to_string).collect());
    }
    text
}
