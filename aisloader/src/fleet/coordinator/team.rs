//! All agents of a run.

use super::super::clock::{Offset, Sample};
use super::super::merge::Merge;
use super::super::protocol::{BEAT, Ending, Order, Readiness, SILENCE_MAX, ToAgent, ToCoordinator};
use super::account::Account;
use super::error::FleetError;
use super::member::{Event, Way, hear, is_loopback, meet};
use super::words::words_of;
use crate::flags::Parsed;
use crate::honesty::agents::AgentFacts;
use crate::recorder::cpu::CpuUse;
use crate::recorder::{Interval, Passes, RunEnd};
use crate::settings::{Config, Fleet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The coordinator looks at Ctrl-C this often.
const LOOK: Duration = Duration::from_millis(20);
/// Questions for the time of each agent.
const PROBES: u32 = 8;
/// An agent that does not tell the time for so long is lost.
const ECHO_MAX: Duration = Duration::from_secs(5);
/// From the word to begin to the begin: this, and several times the longest way there.
const START_LEAST: Duration = Duration::from_millis(200);
const START_RTTS: u32 = 4;
/// Agents that were stopped are given this time to come to their end.
const STOP_MAX: Duration = Duration::from_secs(15);

/// Agents that are ready to begin. Dropping this stops the ones that are still at work.
pub struct Team {
    accounts: Vec<Account>,
    inbox: Receiver<Event>,
    /// The begin of all times here.
    origin: Instant,
    interrupted: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    is_partitioned: bool,
}

/// The outcome of a run of several agents.
pub struct TeamEnd {
    /// The run as if one loader had made it.
    pub end: RunEnd,
    /// The facts of each agent.
    pub agents: Vec<AgentFacts>,
}

impl Team {
    /// Meets all agents, gives each its orders, and waits until all are ready. `config` is that of the whole run, made of
    /// `flags`.
    ///
    /// # Errors
    /// When one of them cannot be met, or cannot do what it is told; the text names each.
    pub fn gather(
        fleet: &Fleet,
        flags: &Parsed,
        config: &Config,
        interrupted: Arc<AtomicBool>,
    ) -> Result<Self, FleetError> {
        let far = fleet.loaders.iter().find(|address| !is_loopback(address));
        if let Some(far) = far.filter(|_| is_loopback(&config.gateway)) {
            let gateway = &config.gateway;
            eprintln!(
                "aisloader: warning: {gateway} is this machine; the agent {far} will look for it on its own"
            );
        }
        let (post, inbox) = mpsc::channel();
        let accounts = meet_all(fleet, &post)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let ways: Vec<Way> = accounts.iter().map(|account| account.way.clone()).collect();
        let over = Arc::clone(&is_over);
        let beat = std::thread::Builder::new().name("beat".to_owned()).spawn(move || beat(&ways, &over));
        beat.map_err(|e| FleetError::Agents(e.to_string()))?;
        let is_partitioned = config.choices.epochs > 0 || config.choices.partition.is_some();
        let mut team = Self { accounts, inbox, origin: Instant::now(), interrupted, is_over, is_partitioned };
        team.give_orders(flags, config)?;
        Ok(team)
    }

    /// Names that all of them together can read.
    #[must_use]
    pub fn objects_known(&self) -> u64 {
        let names = self.accounts.iter().filter_map(|account| Some(account.ready?.names));
        if self.is_partitioned { names.sum() } else { names.max().unwrap_or(0) }
    }

    /// Starts all agents at one instant and hears them to their ends; `on_interval` gets every second when all that are
    /// still there have passed it. Agents that are lost on the way are no error here.
    ///
    /// # Errors
    /// When the clock of an agent cannot be had, so that there is no common begin.
    pub fn run(mut self, on_interval: &mut dyn FnMut(&Interval)) -> Result<TeamEnd, FleetError> {
        self.ask_for_the_time()?;
        let planned_ns = self.give_the_word();
        let mut merge = Merge::new(self.accounts.len());
        let mut stopped: Option<Instant> = None;
        while !merge.is_over() {
            if self.interrupted.load(Ordering::Relaxed) && stopped.is_none() {
                stopped = Some(Instant::now());
                self.tell_all(&ToAgent::Stop);
            }
            match self.inbox.recv_timeout(LOOK) {
                Ok(event) => self.take(event, &mut merge),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.lose_all("nothing is heard any more", &mut merge),
            }
            if stopped.is_some_and(|at| at.elapsed() > STOP_MAX) {
                self.lose_all("it was stopped and did not end", &mut merge);
            }
            while let Some(interval) = merge.next() {
                on_interval(&interval);
            }
        }
        let (stats, rest) = merge.finish();
        let end = RunEnd { stats, rest, ..self.sum(stopped.is_some()) };
        let accounts = std::mem::take(&mut self.accounts);
        Ok(TeamEnd { end, agents: accounts.into_iter().map(|account| account.facts(planned_ns)).collect() })
    }

    fn give_orders(&mut self, flags: &Parsed, config: &Config) -> Result<(), FleetError> {
        let agents = self.accounts.len() as u64;
        let endpoint = if config.s3.is_some() { "" } else { &config.gateway };
        for (id, account) in (0..agents).zip(&self.accounts) {
            let order = Order {
                endpoint: endpoint.to_owned(),
                words: words_of(flags, config, id, agents),
                needs_token: config.token.is_some(),
            };
            // Whoever cannot be told is not heard either, soon.
            let _ = account.way.say(&ToAgent::Job(order), SILENCE_MAX);
        }
        self.await_all(None, |account| account.ready.is_some())
    }

    fn ask_for_the_time(&mut self) -> Result<(), FleetError> {
        for number in 0..PROBES {
            let origin = self.origin;
            for account in &mut self.accounts {
                let asked_ns = ns(origin.elapsed());
                account.samples.push(Sample { asked_ns, answered_ns: 0, theirs_ns: 0, day_ahead_ns: 0 });
                let _ = account.way.say(&ToAgent::Probe { number }, ECHO_MAX);
            }
            let is_answered =
                |account: &Account| account.samples.last().is_some_and(|last| last.answered_ns > 0);
            self.await_all(Some(ECHO_MAX), is_answered)?;
        }
        for account in &mut self.accounts {
            account.offset = Offset::of(&account.samples).unwrap_or_default();
        }
        Ok(())
    }

    /// Tells all agents when to begin; returns when that is.
    fn give_the_word(&self) -> u64 {
        let rtt_ns = self.accounts.iter().map(|account| account.offset.rtt_ns).max().unwrap_or(0);
        let delay = START_LEAST.saturating_add(Duration::from_nanos(rtt_ns).saturating_mul(START_RTTS));
        let planned_ns = ns(self.origin.elapsed().saturating_add(delay));
        for account in &self.accounts {
            let go = ToAgent::Go { at_ns: account.offset.theirs(planned_ns) };
            let _ = account.way.say(&go, SILENCE_MAX);
        }
        planned_ns
    }

    /// Waits, before the begin, until something is so for all agents.
    fn await_all(
        &mut self,
        patience: Option<Duration>,
        is_so: impl Fn(&Account) -> bool,
    ) -> Result<(), FleetError> {
        let begin = Instant::now();
        while !self.accounts.iter().all(&is_so) {
            if self.interrupted.load(Ordering::Relaxed) {
                return Err(FleetError::Interrupted);
            }
            match self.inbox.recv_timeout(LOOK) {
                Ok(event) => self.take_early(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(FleetError::Agents("no agent is heard any more".to_owned()));
                }
            }
            if patience.is_some_and(|most| begin.elapsed() > most)
                && let Some(silent) = self.accounts.iter().find(|account| !is_so(account))
            {
                return Err(blame(&silent.address, "it does not answer in time"));
            }
        }
        Ok(())
    }

    /// Something was heard before the begin, when every agent is needed.
    fn take_early(&mut self, event: Event) -> Result<(), FleetError> {
        let answered_ns = ns(event.at.saturating_duration_since(self.origin));
        let Some(account) = self.accounts.get_mut(event.member) else { return Ok(()) };
        match event.heard {
            Ok(ToCoordinator::Ready(Readiness { names, machine_cores })) => {
                account.ready = Some(Readiness { names, machine_cores });
            }
            Ok(ToCoordinator::Echo { number, clock_ns, unix_ns }) => {
                let at = usize::try_from(number).unwrap_or(usize::MAX);
                if let Some(sample) = account.samples.get_mut(at) {
                    (sample.answered_ns, sample.theirs_ns) = (answered_ns.max(1), clock_ns);
                    sample.day_ahead_ns = day_ahead_ns(unix_ns, event.at, answered_ns, sample.asked_ns);
                }
            }
            Ok(ToCoordinator::Alive) => {}
            Ok(ToCoordinator::Refused { why } | ToCoordinator::Failed { why }) | Err(why) => {
                return Err(blame(&account.address, &why));
            }
            Ok(_) => return Err(blame(&account.address, "a message is out of order")),
        }
        Ok(())
    }

    /// Something was heard after the word to begin.
    fn take(&mut self, event: Event, merge: &mut Merge) {
        let Some(account) = self.accounts.get_mut(event.member).filter(|account| !account.is_over()) else {
            return;
        };
        let lost = match event.heard {
            Ok(ToCoordinator::Interval(interval)) => match merge.push(event.member, &interval) {
                Ok(()) => {
                    account.add(&interval);
                    None
                }
                Err(_) => Some("its seconds are out of order".to_owned()),
            },
            Ok(ToCoordinator::Began { at_ns }) => {
                account.began_ns = Some(account.offset.ours(at_ns));
                None
            }
            Ok(ToCoordinator::End(ending)) => {
                merge.end(event.member, Some(&ending.rest));
                account.end(*ending);
                account.way.close();
                None
            }
            Ok(ToCoordinator::Alive | ToCoordinator::Echo { .. }) => None,
            Ok(ToCoordinator::Refused { why } | ToCoordinator::Failed { why }) | Err(why) => Some(why),
            Ok(_) => Some("a message is out of order".to_owned()),
        };
        if let Some(why) = lost {
            self.lose(event.member, &why, merge);
        }
    }

    fn lose(&mut self, member: usize, why: &str, merge: &mut Merge) {
        merge.end(member, None);
        let Some(account) = self.accounts.get_mut(member) else { return };
        let seconds = account.window().as_secs();
        eprintln!("aisloader: the agent {} is lost after {seconds} s: {why}", account.address);
        account.lost = Some(format!("after {seconds} s: {why}"));
        account.way.close();
    }

    fn lose_all(&mut self, why: &str, merge: &mut Merge) {
        let missing: Vec<usize> = self
            .accounts
            .iter()
            .enumerate()
            .filter(|(_, account)| !account.is_over())
            .map(|(at, _)| at)
            .collect();
        missing.into_iter().for_each(|member| self.lose(member, why, merge));
    }

    fn tell_all(&self, message: &ToAgent) {
        for account in self.accounts.iter().filter(|account| !account.is_over()) {
            let _ = account.way.say(message, BEAT);
        }
    }

    /// The end of the run as the sum, or the outermost, of all agents' ends.
    fn sum(&self, is_stopped: bool) -> RunEnd {
        let mut cpu = CpuUse::default();
        self.accounts.iter().for_each(|account| cpu.add(&account.cpu()));
        let endings = || self.accounts.iter().filter_map(|account| account.ending.as_ref());
        let begins = self.accounts.iter().filter_map(|account| account.began_ns);
        let ends = self
            .accounts
            .iter()
            .filter_map(|account| Some(account.began_ns?.saturating_add(ns(account.window()))));
        let window_ns = ends.max().unwrap_or(0).saturating_sub(begins.min().unwrap_or(0));
        RunEnd {
            stats: Default::default(),
            rest: Interval::default(),
            window: Duration::from_nanos(window_ns),
            cpu,
            is_interrupted: is_stopped || endings().any(|ending| ending.is_interrupted),
            cores: self.accounts.iter().map(Account::cores).sum(),
            passes: passes(endings()),
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for account in &self.accounts {
            if !account.is_over() {
                let _ = account.way.say(&ToAgent::Stop, BEAT);
            }
            account.way.close();
        }
    }
}

/// Meets all agents at once: each may keep us waiting.
fn meet_all(fleet: &Fleet, post: &mpsc::Sender<Event>) -> Result<Vec<Account>, FleetError> {
    let met: Vec<_> = std::thread::scope(|scope| {
        let start = |address| scope.spawn(move || meet(address, &fleet.token));
        let threads: Vec<_> = fleet.loaders.iter().map(|address| start(address)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("broke off".to_owned())))
            .collect()
    });
    let mut accounts = Vec::new();
    let mut blamed = Vec::new();
    for (member, (address, met)) in fleet.loaders.iter().zip(met).enumerate() {
        let heard = met.and_then(|(way, from)| {
            hear(member, from, post.clone()).map_err(|e| e.to_string())?;
            Ok(way)
        });
        match heard {
            Ok(way) => accounts.push(Account::new(address, way)),
            Err(why) => blamed.push(blame(address, &why).to_string()),
        }
    }
    if blamed.is_empty() {
        return Ok(accounts);
    }
    accounts.iter().for_each(|account| account.way.close());
    Err(FleetError::Agents(blamed.join("; ")))
}

/// Says again and again that we are there.
fn beat(ways: &[Way], is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        for way in ways {
            // Whoever is gone is not heard any more, and that says enough.
            let _ = way.say(&ToAgent::Alive, BEAT);
        }
        std::thread::sleep(BEAT);
    }
}

fn blame(address: &str, why: &str) -> FleetError {
    FleetError::Agents(format!("the agent {address}: {why}"))
}

fn passes<'e>(endings: impl Iterator<Item = &'e Ending>) -> Option<Passes> {
    let all = endings.filter_map(|ending| ending.passes);
    all.map(|(names, resume_at)| Passes { names, resume_at }).reduce(|a, b| Passes {
        names: a.names.saturating_add(b.names),
        resume_at: a.resume_at.saturating_add(b.resume_at),
    })
}

/// The lead of a time of the day over ours in the middle between question and answer.
fn day_ahead_ns(theirs_unix_ns: u64, answered: Instant, answered_ns: u64, asked_ns: u64) -> i64 {
    let now_unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = ns(answered.elapsed()).saturating_add(answered_ns.saturating_sub(asked_ns) / 2);
    let ours = i128::from(ns(now_unix)).saturating_sub(i128::from(since));
    let ahead = i128::from(theirs_unix_ns).saturating_sub(ours);
    i64::try_from(ahead).unwrap_or(if ahead < 0 { i64::MIN } else { i64::MAX })
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
