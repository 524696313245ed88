//! Clients are told of jobs while they run, when they have ended, and after a restart.

use super::*;
use crate::ids::new_uuid;
use std::fs;
use wire::api::bck::Bck;

fn about(kind: &'static str, bucket: &str) -> About {
    About { kind, bucket: Bck::ais(bucket), destination: Bck::ais("to"), of: Vec::new() }
}

fn end(jobs: &Jobs, job: &Job, end: End) {
    job.end(End { ended_ns: clock::unix_ns(), ..end });
    jobs.save(jobs.changed()).unwrap();
    job.tell();
}

fn begin(jobs: &Jobs, kind: &'static str, bucket: &str) -> Arc<Job> {
    let job = jobs.begin(new_uuid(), about(kind, bucket)).unwrap();
    jobs.save(jobs.changed()).unwrap();
    job
}

#[test]
fn a_finished_job_stays_queryable() {
    let dir = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(dir.path()).unwrap();
    let job = begin(&jobs, "copy-bck", "a");
    let filter = Filter::id(&job.id);
    assert_eq!(jobs.status(&filter).unwrap().end_time, 0);
    assert_eq!(jobs.running(&Filter::default()), vec![format!("copy-bck[{}]", job.id)]);
    job.add(3, 30);
    // It has ended and nobody knows yet.
    job.end(End { ended_ns: 5, ..End::default() });
    assert_eq!((jobs.status(&filter).unwrap().end_time, jobs.snaps(&filter)[0].is_idle), (0, false));
    job.tell();
    assert_eq!((jobs.status(&filter).unwrap().end_time, jobs.snaps(&filter)[0].is_idle), (5, true));
    assert_eq!((jobs.snaps(&filter)[0].stats.loc_objs, jobs.snaps(&filter)[0].stats.loc_bytes), (3, 30));
    assert!(jobs.running(&Filter::default()).is_empty());
    assert!(jobs.status(&Filter::id("other12345")).is_none());
}

#[test]
fn running_jobs_are_never_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(dir.path()).unwrap();
    let first = begin(&jobs, "delete-listrange", "a");
    for _ in 0..REMEMBERED_MAX + 10 {
        jobs.at_once(new_uuid(), about("summary-bck", "a")).unwrap();
    }
    assert!(jobs.status(&Filter::id(&first.id)).is_some());
    assert!(jobs.lock().len() <= REMEMBERED_MAX);
}

#[test]
fn jobs_that_are_not_finished_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(dir.path()).unwrap();
    let start = || jobs.begin(new_uuid(), about("copy-bck", "a"));
    let started: Vec<Arc<Job>> = std::iter::from_fn(|| start().ok()).take(2 * UNFINISHED_MAX).collect();
    assert_eq!(started.len(), UNFINISHED_MAX);
    assert_eq!(start().unwrap_err().status(), 503);
    end(&jobs, &started[7], End::default());
    assert!(start().is_ok());
}

#[test]
fn those_that_are_meant_are_found_and_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(dir.path()).unwrap();
    let (copy, delete) = (begin(&jobs, "copy-bck", "a"), begin(&jobs, "delete-listrange", "b"));
    let ended = begin(&jobs, "copy-bck", "b");
    end(&jobs, &ended, End::default());
    let found =
        |filter: Filter| -> Vec<String> { jobs.snaps(&filter).into_iter().map(|snap| snap.id).collect() };
    let of = |name: &str| Filter { buckets: vec![Bck::ais(name)], ..Filter::default() };
    let kind = |kind: &str| Filter { kind: super::super::filter::kind_of(kind), ..Filter::default() };
    assert_eq!(found(kind("copy-bucket")), [copy.id.clone(), ended.id.clone()]);
    assert_eq!(found(of("b")), [delete.id.clone(), ended.id.clone()]);
    assert_eq!(found(of("to")).len(), 3);
    assert_eq!(found(of("none")), [""; 0]);
    let running = found(Filter { only_running: true, ..of("b") });
    assert!(running.iter().eq([&delete.id]), "{running:?}");
    assert_eq!(found(Filter { kind: "lru".to_owned(), ..Filter::id(&copy.id) }), [""; 0]);
    assert_eq!(jobs.stop(&of("b"), "enough"), 2);
    let stopped = [&copy, &delete, &ended].map(|job| job.abort.check().is_err());
    assert_eq!(stopped, [false, true, false]);
}

#[test]
fn the_end_of_a_bucket_stops_its_jobs_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(dir.path()).unwrap();
    let view = |bid| {
        let props = wire::api::bprops::Bprops { bid, ..wire::api::bprops::Bprops::default() };
        crate::cluster::BucketView::new("b", props).bucket
    };
    let start =
        |bid| jobs.begin(new_uuid(), About { of: vec![view(bid)], ..about("copy-bck", "b") }).unwrap();
    let (old, new) = (start(1), start(2));
    jobs.bucket_is_destroyed(&view(1));
    assert!(old.abort.check().unwrap_err().text.contains("ais://b"));
    assert!(new.abort.check().is_ok());
}

#[test]
fn after_a_restart_jobs_are_known_and_what_ran_is_aborted() {
    let dir = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(dir.path()).unwrap();
    let (ran, failed, stopped) =
        (begin(&jobs, "copy-bck", "a"), begin(&jobs, "move-bck", "b"), begin(&jobs, "x", ""));
    failed.add(7, 70);
    end(&jobs, &failed, End { error: "no room".to_owned(), ..End::default() });
    end(&jobs, &stopped, End { error: "user abort".to_owned(), aborted: true, ..End::default() });
    let before = [&failed, &stopped].map(|job| jobs.snaps(&Filter::id(&job.id)));
    drop(jobs);
    let mut ends = Vec::new();
    for _ in 0..2 {
        let jobs = Jobs::open(dir.path()).unwrap();
        assert_eq!([&failed, &stopped].map(|job| jobs.snaps(&Filter::id(&job.id))), before);
        let (status, snaps) = (jobs.status(&Filter::id(&ran.id)).unwrap(), jobs.snaps(&Filter::id(&ran.id)));
        assert!(status.aborted && status.end_time > 0 && status.err.contains("restarted"), "{status:?}");
        assert!(snaps[0].aborted && snaps[0].abort_err == status.err && snaps[0].err.is_empty());
        assert!(jobs.running(&Filter::default()).is_empty());
        ends.push(status.end_time);
    }
    assert_eq!(ends[0], ends[1]);
}

#[test]
fn a_damaged_file_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jobs.json");
    for damage in ["", "{", "[]", r#"{"jobs":[{"id":7}]}"#, "\u{0}"] {
        fs::write(&file, damage).unwrap();
        let jobs = Jobs::open(dir.path()).unwrap();
        assert!(jobs.all_status(&Filter::default()).is_empty() && !file.exists());
        assert_eq!(fs::read_to_string(dir.path().join("jobs.json.damaged")).unwrap(), damage);
        begin(&jobs, "copy-bck", "a");
        assert_eq!(Jobs::open(dir.path()).unwrap().all_status(&Filter::default()).len(), 1);
    }
}

#[test]
fn a_write_that_another_one_has_made_is_not_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(dir.path()).unwrap();
    let file = dir.path().join("jobs.json");
    let (first, second) = (jobs.changed(), jobs.changed());
    jobs.save(first).unwrap();
    fs::remove_file(&file).unwrap();
    jobs.save(second).unwrap();
    assert!(!file.exists());
    jobs.save(jobs.changed()).unwrap();
    assert!(file.exists());
}
