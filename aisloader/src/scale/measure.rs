//! The experiment itself: for each N fresh disks, a fresh server and fresh objects; then fio and the loader in turns.

use super::devices::{
    Disk, Disks, Substrate, build, count_files, free_loops, kill, outer_bytes, write_images,
};
use super::failure::{Failure, Result, at};
use super::faults::Fault;
use super::fio::Fio;
use super::ledger::{Ledger, Taken, Thing};
use super::loader::Loader;
use super::model::{Experiment, Level, LoadRound};
use super::options::Options;
use super::server::Server;
use super::throttle::{Controllers, Group, require};
use crate::recorder::cpu::{CpuSample, machine_cores};
use crate::workload::random::permute;
use std::fs;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Part of a disk that objects fill; the file system's log takes another.
const FILL: f64 = 0.7;
/// A file system within another one is smaller by this.
const INNER_LESS_BYTES: u64 = 160 << 20;
/// Workers against the server that does nothing; more would only switch threads.
const NOOP_WORKERS: usize = 32;
const NOOP_S: u64 = 2;
/// Reads before the first round at each N: inodes and connections are then warm, and the writes have settled.
const SETTLE_S: u64 = 2;

/// State that all rounds need.
struct Bench<'a> {
    options: &'a Options,
    controllers: Controllers,
    ledger: Rc<Ledger>,
    server: Group,
    client: Group,
    interrupted: &'a AtomicBool,
}

/// One N, ready to be measured.
struct Stage {
    // Before the disks: it must have ended when they are unmounted.
    server: Server,
    disks: Disks,
    outstanding: usize,
}

/// Does it all; `say` is told what is being done.
pub(super) fn experiment(
    options: &Options,
    interrupted: &AtomicBool,
    say: &mut dyn FnMut(&str),
) -> Result<Experiment> {
    let controllers = require()?;
    // A dead run may hold devices, so the ledger comes before anything is counted.
    let ledger = Ledger::open(&options.dir)?;
    let substrate = options.fault.map_or(Substrate::Separate, Fault::substrate);
    let (images, image_bytes, loops) = match substrate {
        Substrate::Separate => (options.disks_max(), options.disk_bytes, options.disks_max()),
        Substrate::OneDisk => (1, options.disk_bytes, 1),
        Substrate::Cached => (options.disks_max(), options.disk_bytes, 2 * options.disks_max()),
        Substrate::Outer => {
            (1, outer_bytes(options.disks_max(), options.disk_bytes), options.disks_max().saturating_add(1))
        }
    };
    let free = free_loops();
    if free < loops {
        return Err(Failure(format!(
            "{loops} loop devices are needed, {free} of this machine are free (losetup -a)"
        )));
    }
    let bench = Bench {
        server: Group::create(&controllers, &ledger, "server")?,
        client: Group::create(&controllers, &ledger, "client")?,
        controllers,
        ledger,
        options,
        interrupted,
    };
    bench.starve()?;
    say(&format!("writing {images} disks of {} MiB", image_bytes >> 20));
    write_images(&bench.ledger.dir, images, image_bytes, interrupted)?;
    let client_ceiling_bytes_per_s = Some(bench.client_ceiling()?);
    let mut experiment = Experiment {
        object_bytes: options.object_bytes,
        warmup_s: options.warmup_s,
        measure_s: options.measure_s,
        client_ceiling_bytes_per_s,
        ..Experiment::default()
    };
    // The order is drawn, lest a drift of the machine look like a law.
    let count = options.disks.len() as u64;
    for at in 0..count {
        let index = usize::try_from(permute(options.seed, at, count)).unwrap_or(0);
        let Some(disks) = options.disks.get(index).copied() else { continue };
        let (level, solo) = bench.level(disks, substrate, say)?;
        if disks == options.disks_max() {
            experiment.solo_bytes_per_s = solo;
        }
        experiment.levels.push(level);
    }
    experiment.levels.sort_by_key(|level| level.disks);
    Ok(experiment)
}

impl Bench<'_> {
    /// Plants the faults of processor time.
    fn starve(&self) -> Result<()> {
        if let Some(processors) = self.options.fault.and_then(Fault::client_processors) {
            self.client.limit_cpu(processors)?;
        }
        Ok(())
    }

    /// The rate that the loader takes from a server that does nothing.
    fn client_ceiling(&self) -> Result<f64> {
        let options = self.options;
        let noop = Server::idle(&self.ledger, &options.loader, options.object_bytes, self.interrupted)?;
        let heard = self.loader(noop.port).read(NOOP_WORKERS, 1, NOOP_S, false)?;
        Ok(heard.bytes_per_s)
    }

    fn loader(&self, port: u16) -> Loader<'_> {
        Loader {
            program: &self.options.loader,
            group: &self.client,
            dir: &self.ledger.dir,
            port,
            interrupted: self.interrupted,
        }
    }

    fn fio(&self) -> Fio {
        let options = self.options;
        Fio {
            object_bytes: options.object_bytes,
            depth: options.depth,
            warmup_s: options.warmup_s,
            measure_s: options.measure_s,
        }
    }

    /// Everything at one N, and fio on one disk at a time when it is the largest.
    fn level(
        &self,
        disks: usize,
        substrate: Substrate,
        say: &mut dyn FnMut(&str),
    ) -> Result<(Level, Vec<f64>)> {
        say(&format!("N={disks}: formatting, filling"));
        let stage = self.stage(disks, substrate)?;
        let mut level = Level { disks, outstanding: stage.outstanding, ..Level::default() };
        for disk in &stage.disks.list {
            level.objects.push(count_files(&disk.mountpath.join("@ais"))?);
        }
        self.loader(stage.server.port).read(stage.outstanding, 1, SETTLE_S, true)?;
        for round in 0..self.options.rounds {
            say(&format!("N={disks}: round {} of {}", round.saturating_add(1), self.options.rounds));
            let is_last = round.saturating_add(1) == self.options.rounds && disks == self.options.disks_max();
            // A B, B A, A B: what grows with time hits both alike.
            if round % 2 == 0 {
                level.fio.push(self.fio_round(&stage)?);
                level.load.push(self.load_round(&stage, is_last)?);
            } else {
                level.load.push(self.load_round(&stage, is_last)?);
                level.fio.push(self.fio_round(&stage)?);
            }
        }
        let solo = if disks == self.options.disks_max() { self.solo(&stage, say)? } else { Vec::new() };
        Ok((level, solo))
    }

    /// Disks, a server on them, objects on it.
    fn stage(&self, disks: usize, substrate: Substrate) -> Result<Stage> {
        let options = self.options;
        let stand = build(&self.ledger, &self.ledger.dir, substrate, disks, options.disk_bytes)?;
        let meters = stand.meters();
        for (at, meter) in meters.iter().enumerate() {
            let is_last = at > 0 && at.saturating_add(1) == meters.len();
            let cap = options
                .fault
                .filter(|_| is_last)
                .map_or(options.cap_bytes_per_s, |fault| fault.last_cap(options.cap_bytes_per_s));
            self.server.limit_reads(&meter.number, cap, options.cap_iops)?;
        }
        let home = self.ledger.dir.join(format!("node{disks}"));
        let server = Server::start(
            &self.ledger,
            &self.server,
            &options.aisnode,
            &stand.list,
            &home,
            self.interrupted,
        )?;
        let usable = match substrate {
            Substrate::Cached => options.disk_bytes.saturating_sub(INNER_LESS_BYTES),
            Substrate::Separate | Substrate::OneDisk | Substrate::Outer => options.disk_bytes,
        };
        let places = if substrate == Substrate::OneDisk { 1 } else { disks };
        // Far within the range of exact whole numbers.
        let bytes = (usable as f64 * FILL) as u64 * places as u64;
        self.loader(server.port).fill(bytes, options.object_bytes)?;
        for disk in &stand.list {
            let dir = fs::File::open(&disk.mountpath).map_err(at(&disk.mountpath))?;
            rustix::fs::syncfs(&dir).map_err(|e| at(&disk.mountpath)(e.into()))?;
        }
        // Only now: a starved server would take minutes to be filled.
        if let Some(processors) = options.fault.and_then(Fault::server_processors) {
            self.server.limit_cpu(processors)?;
        }
        Ok(Stage { server, disks: stand, outstanding: options.depth.saturating_mul(disks) })
    }

    fn fio_round(&self, stage: &Stage) -> Result<super::model::FioRound> {
        let all: Vec<&Disk> = stage.disks.list.iter().collect();
        self.fio().round(&self.server, &all, self.interrupted)
    }

    /// fio on one disk at a time: what they give alone must be what they give together.
    fn solo(&self, stage: &Stage, say: &mut dyn FnMut(&str)) -> Result<Vec<f64>> {
        say("each disk alone");
        let fio = Fio { warmup_s: 1, measure_s: 2, ..self.fio() };
        let alone = |disk: &Disk| fio.round(&self.server, &[disk], self.interrupted);
        let rounds: Result<Vec<_>> = stage.disks.list.iter().map(alone).collect();
        Ok(rounds?.iter().map(|round| round.bytes_per_s.iter().sum()).collect())
    }

    /// The loader against the server, between two looks at every meter.
    fn load_round(&self, stage: &Stage, is_last: bool) -> Result<LoadRound> {
        let _serial = self.plant_serial(stage)?;
        let victim =
            stage.disks.list.last().filter(|_| is_last && self.options.fault == Some(Fault::DeadDisk));
        let before = self.look(stage)?;
        let heard = std::thread::scope(|scope| {
            let half = Duration::from_secs(self.options.warmup_s.saturating_add(self.options.measure_s)) / 2;
            let killer = victim.map(|disk| {
                scope.spawn(move || {
                    std::thread::sleep(half);
                    kill(disk)
                })
            });
            let loader = self.loader(stage.server.port);
            let heard = loader.read(stage.outstanding, self.options.warmup_s, self.options.measure_s, true);
            let killed = killer.map_or(Ok(()), |killer| killer.join().unwrap_or(Ok(())));
            killed.and(heard)
        })?;
        let mut round = self.look(stage)?.since(&before);
        round.bytes_per_s = heard.bytes_per_s;
        round.payload_bytes = heard.payload_bytes;
        (round.p50_ns, round.p99_ns) = (heard.p50_ns, heard.p99_ns);
        (round.errors, round.error_kinds) = (heard.errors, heard.error_kinds);
        Ok(round)
    }

    /// Plants the serial resource, while it is kept.
    fn plant_serial(&self, stage: &Stage) -> Result<Option<Taken>> {
        let Some((outer, fault)) = stage.disks.outer.as_ref().zip(self.options.fault) else {
            return Ok(None);
        };
        let limit = fault.serial_bytes_per_s(self.options.cap_bytes_per_s);
        let mut taken = Taken::new(&self.ledger);
        // The kernel counts the reads of a loop device as the server's or as nobody's, so both get the limit.
        for file in [self.controllers.root_read_limit(), self.server.read_limit()] {
            let number = outer.number.clone();
            let line = format!("{number} {limit}");
            taken.add(Thing::ReadLimit { file: file.clone(), number })?;
            fs::write(&file, line).map_err(at(&file))?;
        }
        Ok(Some(taken))
    }

    fn look(&self, stage: &Stage) -> Result<Look> {
        let meters = stage.disks.meters();
        Ok(Look {
            at: Instant::now(),
            cpu: CpuSample::now(),
            device: meters.iter().map(|meter| meter.read_bytes()).collect::<Result<_>>()?,
            group: meters.iter().map(|meter| self.server.read_bytes(&meter.number)).collect::<Result<_>>()?,
            server: self.server.sample()?,
            client: self.client.sample()?,
        })
    }
}

/// All meters at one moment.
struct Look {
    at: Instant,
    cpu: CpuSample,
    device: Vec<f64>,
    group: Vec<f64>,
    server: super::throttle::GroupSample,
    client: super::throttle::GroupSample,
}

impl Look {
    fn since(&self, before: &Self) -> LoadRound {
        let moved = |now: &[f64], then: &[f64]| now.iter().zip(then).map(|(now, then)| now - then).collect();
        let span_s = self.at.duration_since(before.at).as_secs_f64().max(1e-9);
        let used = self.cpu.since(&before.cpu);
        let processors = machine_cores() as f64;
        let share = |seconds: Option<f64>| seconds.unwrap_or(0.0) / span_s / processors;
        LoadRound {
            device_bytes: moved(&self.device, &before.device),
            group_bytes: moved(&self.group, &before.group),
            span_s,
            machine_cpu_s: used.machine_s.unwrap_or(0.0),
            server_cpu_s: self.server.cpu_s_since(&before.server),
            client_cpu_s: self.client.cpu_s_since(&before.client),
            machine_busy: share(used.machine_s),
            stolen: share(used.stolen_s),
            server_held: self.server.held_since(&before.server),
            client_held: self.client.held_since(&before.client),
            ..LoadRound::default()
        }
    }
}
