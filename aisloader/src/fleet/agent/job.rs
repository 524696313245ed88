//! One run, as a coordinator wants it.

use super::super::link::{LinkError, Receiver, Sender};
use super::super::protocol::{Ending, HANDSHAKE_MAX, Order, Readiness, SILENCE_MAX, ToAgent, ToCoordinator};
use crate::engine::{Plan, prepare, run_when};
use crate::flags::Parsed;
use crate::honesty::clock::ClockWatch;
use crate::recorder::cpu::{CpuSample, CpuUse, machine_cores};
use crate::recorder::{Interval, RunEnd};
use crate::settings::Config;
use crate::settings::whose::check_words;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A run that waits for its begin looks this often if it is still wanted.
const LOOK: Duration = Duration::from_millis(20);
/// Sleeping may last longer than was asked for; the last part of the wait for the begin is not slept.
const AWAKE: Duration = Duration::from_millis(2);

/// The things that an agent brings to a run.
pub(super) struct Hearing {
    /// The begin of all times that it tells.
    pub(super) origin: Instant,
    /// The token of requests to the cluster.
    pub(super) token: Option<String>,
}

/// State that the threads of a run share.
struct Desk {
    origin: Instant,
    to: Mutex<Sender>,
    /// The run shall end, or not begin.
    interrupted: Arc<AtomicBool>,
    /// Why the coordinator is not there any more.
    lost: OnceLock<String>,
}

/// Does what is ordered, or says why not. Ends with the run; returns what to tell whoever watches the agent.
pub(super) fn carry_out(hearing: &Hearing, to: Sender, from: Receiver, order: &Order) -> String {
    let desk = Desk {
        origin: hearing.origin,
        to: Mutex::new(to),
        interrupted: Arc::default(),
        lost: OnceLock::new(),
    };
    let (go, begins) = mpsc::channel();
    std::thread::scope(|scope| {
        let heard_by = &desk;
        scope.spawn(move || listen(heard_by, from, &go));
        let outcome = work(&desk, hearing, order, &begins);
        let lost = desk.lost.get().cloned();
        let (message, said) = match outcome {
            Ok(ending) => {
                let said =
                    format!("the run is over after {} s", Duration::from_nanos(ending.window_ns).as_secs());
                (ToCoordinator::End(Box::new(ending)), said)
            }
            Err(why) => (ToCoordinator::Failed { why: why.clone() }, format!("no run: {why}")),
        };
        desk.say(&message);
        // The coordinator ends the connection when it has heard everything: then the listener ends, and its channel. We
        // might cut off what is still on its way.
        let deadline = Instant::now() + HANDSHAKE_MAX;
        while begins.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {}
        desk.with(|to| to.close());
        match lost {
            Some(why) => format!("{said}; the coordinator was lost: {why}"),
            None => said,
        }
    })
}

/// Hears what the coordinator says until one of both ends the connection.
fn listen(desk: &Desk, mut from: Receiver, go: &mpsc::Sender<Instant>) {
    loop {
        match from.receive(SILENCE_MAX) {
            Ok(ToAgent::Probe { number }) => desk.say(&desk.time(number)),
            Ok(ToAgent::Alive) => desk.say(&ToCoordinator::Alive),
            Ok(ToAgent::Go { at_ns }) => {
                let at = desk.origin.checked_add(Duration::from_nanos(at_ns));
                // The run may be over before it began.
                let _ = go.send(at.unwrap_or_else(Instant::now));
            }
            Ok(ToAgent::Stop) => desk.interrupted.store(true, Ordering::Relaxed),
            Ok(_) => return desk.lose("a message is out of order".to_owned()),
            Err(e) => return desk.lose(e.to_string()),
        }
    }
}

impl Desk {
    fn with<T>(&self, act: impl FnOnce(&mut Sender) -> T) -> T {
        act(&mut self.to.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says something; who does not take it in time is lost.
    fn say(&self, message: &ToCoordinator) {
        let sent: Result<(), LinkError> = self.with(|to| to.send(message, SILENCE_MAX));
        if let Err(e) = sent {
            self.lose(e.to_string());
        }
    }

    /// The coordinator is not there any more: nobody wants the run.
    fn lose(&self, why: String) {
        // The first reason is the one.
        let _ = self.lost.set(why);
        self.interrupted.store(true, Ordering::Relaxed);
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn time(&self, number: u32) -> ToCoordinator {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ToCoordinator::Echo { number, clock_ns: ns(self.origin.elapsed()), unix_ns: ns(unix) }
    }
}

/// The run from its words to its end.
fn work(
    desk: &Desk,
    hearing: &Hearing,
    order: &Order,
    begins: &mpsc::Receiver<Instant>,
) -> Result<Ending, String> {
    let plan = plan(desk, hearing, order)?;
    let readiness = Readiness { names: plan.names.len(), machine_cores: machine_cores() };
    let began: Cell<Option<Instant>> = Cell::new(None);
    let is_told = Cell::new(false);
    // Telling takes time, so it waits until the run has begun.
    let tell = || {
        if let Some(at) = began.get().filter(|_| !is_told.replace(true)) {
            desk.say(&ToCoordinator::Began { at_ns: ns(at.saturating_duration_since(desk.origin)) });
        }
    };
    let seconds = RefCell::new(Seconds { cpu: CpuSample::now(), clock: ClockWatch::new() });
    let mut start = || {
        desk.say(&ToCoordinator::Ready(readiness));
        began.set(await_begin(desk, begins));
        seconds.borrow_mut().cpu = CpuSample::now();
        began.get().is_some()
    };
    let end = run_when(plan, &mut start, &mut |interval| {
        tell();
        desk.say(&ToCoordinator::Interval(Box::new(seconds.borrow_mut().with_cpu(interval))));
    });
    let end = end.map_err(|e| e.to_string())?;
    tell();
    Ok(seconds.into_inner().ending(end))
}

/// Everything up to the first request of the run. Buckets are made, and destroyed, by the coordinator.
fn plan(desk: &Desk, hearing: &Hearing, order: &Order) -> Result<Plan, String> {
    let flags = Parsed::parse(&order.words).map_err(|e| e.to_string())?;
    check_words(&flags).map_err(|e| e.to_string())?;
    let endpoint = Some(order.endpoint.as_str()).filter(|endpoint| !endpoint.is_empty());
    let mut config = Config::new(&flags, endpoint, 0).map_err(|e| e.to_string())?;
    if order.needs_token {
        let why = "requests of this run carry a token: start the agent with -tokenfile";
        config.token = Some(hearing.token.clone().ok_or(why)?);
    }
    let made = prepare::plan(config, Arc::clone(&desk.interrupted)).map_err(|e| e.to_string())?;
    if desk.is_interrupted() {
        return Err("stopped before the begin".to_owned());
    }
    Ok(made)
}

/// Waits for the begin; `None`: there will be none.
fn await_begin(desk: &Desk, begins: &mpsc::Receiver<Instant>) -> Option<Instant> {
    let at = loop {
        match begins.recv_timeout(LOOK) {
            Ok(at) => break at,
            Err(RecvTimeoutError::Timeout) if !desk.is_interrupted() => {}
            Err(_) => return None,
        }
    };
    loop {
        let left = at.saturating_duration_since(Instant::now());
        if desk.is_interrupted() {
            return None;
        }
        if left.is_zero() {
            return Some(Instant::now());
        }
        match left.checked_sub(AWAKE) {
            Some(sleepy) => sleep(sleepy.min(LOOK)),
            None => std::hint::spin_loop(),
        }
    }
}

/// Measures the cost of each second of the run here.
struct Seconds {
    cpu: CpuSample,
    clock: ClockWatch,
}

impl Seconds {
    fn with_cpu(&mut self, interval: &Interval) -> Interval {
        self.clock.look();
        let now = CpuSample::now();
        let used = own(now.since(&self.cpu));
        self.cpu = now;
        Interval { cpu: Some(used), ..interval.clone() }
    }

    fn ending(mut self, end: RunEnd) -> Ending {
        let rest = self.with_cpu(&end.rest);
        Ending {
            rest,
            window_ns: ns(end.window),
            cpu: own(end.cpu),
            is_interrupted: end.is_interrupted,
            cores: end.cores,
            passes: end.passes.map(|passes| (passes.names, passes.resume_at)),
            clock_step_s: self.clock.largest_step_s(),
        }
    }
}

/// Leaves out the whole machine's time: agents may share a machine, so a sum over agents would count it twice.
fn own(used: CpuUse) -> CpuUse {
    CpuUse { machine_s: None, ..used }
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
