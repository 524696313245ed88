//! One core's part of a run, from its begin to its end.

use super::core::Core;
use super::open::{Crew, run_open};
use super::worker::Worker;
use crate::engine::shared::mail::{Letter, Outbox};
use crate::engine::shared::part::{Part, RECEIVE_BYTES};
use crate::engine::shared::state::Run;
use crate::engine::shared::tapes::Tape;
use crate::recorder::{Interval, OpError};
use crate::shard::Shard;
use crate::workload::Workload;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// Runs one core's part to its end and posts what it measured.
pub(crate) async fn run_core(
    shard: Shard,
    run: Arc<Run>,
    part: Part,
    tape: Tape,
    outbox: Outbox,
) -> Result<(), OpError> {
    let core = Rc::new(Core::new(shard, Arc::clone(&run), tape.note)?);
    let crew = match &run.config.open {
        None => None,
        Some(open) => Some((Crew::new(&core, open, part).await, open)),
    };
    outbox.post(Letter::Ready);
    run.wait_for_begin();
    let outbox = Rc::new(outbox);
    let watch = core.shard.spawn(watch(Rc::clone(&core), Rc::clone(&outbox)));
    match crew {
        None => run_closed(&core, part).await,
        Some((crew, open)) => run_open(crew, open, tape.feed).await,
    }
    watch.cancel().await;
    let stats = core.stats.take();
    outbox.post(Letter::End { stats: Box::new(stats), last_end: core.last_end.get() });
    Ok(())
}

/// The closed loop: each worker begins an operation when its last one has ended.
async fn run_closed(core: &Rc<Core>, part: Part) {
    let config = &core.run.config;
    let numbers = (part.core..config.workers).step_by(part.cores.max(1));
    let mut tasks = Vec::new();
    for number in numbers {
        let slot = core.watch.slot();
        let buf = core.driver().pool().alloc(RECEIVE_BYTES).await;
        let workload = Workload::new(config.mix.clone(), number as u64, config.workers as u64);
        let worker = Worker::new(core, slot, number as u64, Rc::new(RefCell::new(workload)), buf);
        tasks.push(core.shard.spawn(worker.run()));
    }
    for task in tasks {
        task.await;
    }
}

/// At every tick: cuts operations that are out of time. At every interval: posts the statistics so far.
async fn watch(core: Rc<Core>, outbox: Rc<Outbox>) {
    let mut interval = 0u64;
    loop {
        core.shard.tick().await;
        let now = Instant::now();
        core.watch.look(now, core.run.cut_at(), core.driver());
        if let (Some(note), Some(begin)) = (&core.note, core.run.begin()) {
            note.flush(now.saturating_duration_since(begin));
        }
        // Every core posts every number once, whatever held it up; the main thread counts on that.
        while interval < core.run.intervals_passed(now) {
            interval = interval.saturating_add(1);
            let inflight = core.watch.busy() as u64;
            let stats = core.stats.take();
            outbox.post(Letter::Interval(Box::new(Interval {
                number: interval,
                stats,
                inflight,
                cpu: None,
            })));
        }
    }
}
