//! Other programs: started, waited for, ended by their own numbers.

use super::failure::{Failure, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(10);
/// A process is given this time to end by itself.
const GRACE: Duration = Duration::from_secs(10);
/// So much of a failed program's text is shown.
const TEXT_CHARS_MAX: usize = 2000;

/// Runs a program to its end and returns what it printed. It dies with the limit or the interruption.
///
/// Not for programs that print more than a pipe holds before they end and are not read: both pipes are read by threads.
pub(super) fn run(
    command: &mut Command,
    limit: Duration,
    interrupted: Option<&AtomicBool>,
) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |why: &dyn std::fmt::Display| Failure(format!("{name}: {why}"));
    let mut child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // A pipe that breaks has nothing more to say.
            let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let out = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let err = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let waited = wait(&mut child, limit, interrupted);
    if waited.is_err() {
        // Its own child, not yet waited for: the number is still its.
        let _ = child.kill();
        let _ = child.wait();
    }
    let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    match waited.map_err(|e| failed(&e))? {
        true => Ok(out),
        false => Err(failed(&format!("failed: {}", clip(&format!("{err}{out}"))))),
    }
}

/// Starts a program in a process group of its own, so that Ctrl-C reaches only us and we end it in order.
pub(super) fn spawn(command: &mut Command) -> Result<Child> {
    use std::os::unix::process::CommandExt;
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).process_group(0).spawn().map_err(|e| Failure(format!("{name}: {e}")))
}

fn wait(child: &mut Child, limit: Duration, interrupted: Option<&AtomicBool>) -> Result<bool> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|e| Failure(e.to_string()))? {
            return Ok(status.success());
        }
        if interrupted.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Err(Failure::interrupted());
        }
        if begin.elapsed() > limit {
            return Err(Failure(format!("still running after {} s", limit.as_secs())));
        }
        sleep(LOOK);
    }
}

fn clip(text: &str) -> String {
    text.trim().chars().take(TEXT_CHARS_MAX).collect()
}

/// When a process started, in ticks since the machine did; `None` when there is none.
pub(super) fn birth(pid: u32) -> Option<u64> {
    parse_birth(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// `pid (name) state ...`, the start time is field 22; a zombie is as good as gone.
fn parse_birth(stat: &str) -> Option<u64> {
    // The name may hold anything, closing brackets too.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// True while this very process runs.
pub(super) fn is_alive(pid: u32, born: u64) -> bool {
    birth(pid) == Some(born)
}

/// Ends a process and waits until it has gone; one that has gone already is fine.
pub(super) fn stop(pid: u32, born: u64) -> Result<()> {
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    for signal in [Signal::TERM, Signal::KILL] {
        let begin = Instant::now();
        if !is_alive(pid, born) {
            return Ok(());
        }
        // It may end between the look and the signal.
        let _ = kill_process(number, signal);
        while begin.elapsed() < GRACE {
            if !is_alive(pid, born) {
                return Ok(());
            }
            sleep(LOOK);
        }
    }
    Err(Failure(format!("process {pid} does not end")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_prints_and_how_it_fails() {
        let long = Duration::from_secs(60);
        assert_eq!(run(Command::new("sh").args(["-c", "echo one"]), long, None).unwrap(), "one\n");
        let error = run(Command::new("sh").args(["-c", "echo bad >&2; exit 3"]), long, None).unwrap_err();
        assert!(error.to_string().contains("sh: failed: bad"), "{error}");
        assert!(run(&mut Command::new("no-such-program-here"), long, None).is_err());
    }

    #[test]
    fn interruption_and_limit_end_it() {
        let interrupted = AtomicBool::new(true);
        let error =
            run(Command::new("sleep").arg("60"), Duration::from_secs(60), Some(&interrupted)).unwrap_err();
        assert!(error.to_string().contains("interrupted"), "{error}");
        let error = run(Command::new("sleep").arg("60"), Duration::ZERO, None).unwrap_err();
        assert!(error.to_string().contains("still running"), "{error}");
    }

    #[test]
    fn a_process_is_known_by_its_birth() {
        let own = std::process::id();
        let born = birth(own).unwrap();
        assert!(is_alive(own, born) && !is_alive(own, born.wrapping_add(1)));
        let mut child = spawn(Command::new("sleep").arg("60")).unwrap();
        let born = birth(child.id()).unwrap();
        stop(child.id(), born.wrapping_add(1)).unwrap();
        assert!(is_alive(child.id(), born), "another one's number is not ours to end");
        stop(child.id(), born).unwrap();
        assert!(!child.wait().unwrap().success());
        let line = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 0";
        assert_eq!(parse_birth(line), Some(4242));
        assert_eq!(parse_birth(&line.replace(" S ", " Z ")), None);
        assert_eq!(parse_birth("junk"), None);
    }
}
