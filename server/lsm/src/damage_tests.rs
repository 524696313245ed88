//! Damage anywhere is an error or changes nothing; never another answer.

use super::index::IndexStats;
use super::testing::*;
use super::*;
use crate::error::{Error, Result};
use std::fs;
use std::path::PathBuf;

/// A lane with two runs, what they hold, and the file of the first run.
fn lane_with_runs() -> (Lane, Model, PathBuf) {
    let lane = Lane::new(1 << 20);
    let model = lane
        .run(async {
            let index = lane.open().await?.index;
            (0..400).for_each(|i| index.put(&key(i), Some(&value(i, 0))));
            freeze_and_flush(&index, b"first").await?;
            (300..500).for_each(|i| index.put(&key(i), (i % 3 > 0).then(|| value(i, 1)).as_deref()));
            freeze_and_flush(&index, b"second").await?;
            scan(&index, b"").await
        })
        .unwrap();
    let file = lane.path().join(&lane.run_files()[0]);
    (lane, model, file)
}

/// Asks for everything there is: every answer must be right, every error one of damage.
async fn right_or_corrupt(lane: &Lane, model: &Model) -> Result<()> {
    let opened = lane.open().await?;
    assert_eq!(opened.checkpoint, b"second");
    let mut outcome = Ok(());
    let findings = opened.index.verify().await?;
    for number in 0..510 {
        match opened.index.get(&key(number)).await {
            Ok(found) => assert_eq!(found.map(|v| v.to_vec()).as_ref(), model.get(&key(number)), "{number}"),
            Err(e) => outcome = Err(e),
        }
    }
    match scan(&opened.index, b"").await {
        Ok(found) => assert!(found == *model),
        Err(e) => outcome = Err(e),
    }
    assert_eq!(outcome.is_err(), !findings.is_empty(), "{findings:?}");
    outcome
}

fn expect_corrupt(outcome: &Result<()>, what: &str) {
    assert!(matches!(outcome, Err(Error::Corrupt(_))), "{what}: {outcome:?}");
}

/// Damages a file in many places, one at a time.
fn damage_everywhere(lane: &mut Lane, model: &Model, file: &std::path::Path, distance: usize) {
    let good = fs::read(file).unwrap();
    for at in (0..good.len()).step_by(distance).chain([good.len() - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(file, &bad).unwrap();
        lane.cool();
        expect_corrupt(&lane.run(right_or_corrupt(lane, model)), &format!("byte {at} of {}", file.display()));
    }
    fs::write(file, &good).unwrap();
    lane.cool();
    lane.run(right_or_corrupt(lane, model)).unwrap();
}

#[test]
fn every_part_of_a_run() {
    let (mut lane, model, file) = lane_with_runs();
    damage_everywhere(&mut lane, &model, &file, 509);
}

#[test]
fn every_part_of_the_manifest() {
    let (mut lane, model, _) = lane_with_runs();
    let file = lane.path().join("index.manifest");
    damage_everywhere(&mut lane, &model, &file, 61);
}

#[test]
fn every_part_of_the_checkpoint() {
    let (mut lane, model, _) = lane_with_runs();
    let files = lane.checkpoint_files();
    assert_eq!(files.len(), 1, "{files:?}");
    let file = lane.path().join(&files[0]);
    damage_everywhere(&mut lane, &model, &file, 61);
    fs::remove_file(&file).unwrap();
    expect_corrupt(&lane.run(right_or_corrupt(&lane, &model)), "missing");
}

#[test]
fn a_checkpoint_of_any_length_comes_back() {
    let lane = Lane::new(1 << 20);
    for len in [1, 4095, 4096, 4097, (128 << 10) + 1, 3 << 20] {
        let checkpoint: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let index = lane.run(lane.open()).unwrap().index;
        lane.run(index.flush(&checkpoint)).unwrap();
        assert!(lane.run(lane.open()).unwrap().checkpoint == checkpoint, "{len} bytes");
        assert_eq!(lane.run(index.verify()).unwrap(), Vec::<String>::new());
        assert_eq!(lane.checkpoint_files().len(), 1, "the old one is gone");
    }
}

#[test]
fn a_merge_keeps_the_checkpoint() {
    let lane = Lane::new(1 << 20);
    lane.must(async {
        let index = lane.open().await?.index;
        for write in 0..4 {
            index.put(&key(write), Some(&value(write, write)));
            freeze_and_flush(&index, &vec![write as u8; 70_000]).await?;
        }
        assert!(merge_all(&index).await? > 0);
        let opened = lane.open().await?;
        assert!(opened.checkpoint == vec![3; 70_000]);
        Ok(())
    });
}

#[test]
fn files_that_are_cut_short_swapped_or_gone() {
    let (mut lane, model, file) = lane_with_runs();
    let good = fs::read(&file).unwrap();
    let other = lane.path().join(&lane.run_files()[1]);
    let (short, long) = (good[..good.len() - 4096].to_vec(), [&good[..], &[0; 4096]].concat());
    for bad in [short, long, Vec::new(), fs::read(&other).unwrap(), good[..good.len() - 1].to_vec()] {
        fs::write(&file, &bad).unwrap();
        lane.cool();
        expect_corrupt(&lane.run(right_or_corrupt(&lane, &model)), &format!("{} bytes", bad.len()));
    }
    fs::remove_file(&file).unwrap();
    expect_corrupt(&lane.run(right_or_corrupt(&lane, &model)), "missing");
    fs::write(&file, &good).unwrap();
    let manifest = lane.path().join("index.manifest");
    let whole = fs::read(&manifest).unwrap();
    for bad in [&whole[..100], &[]] {
        fs::write(&manifest, bad).unwrap();
        expect_corrupt(&lane.run(right_or_corrupt(&lane, &model)), "a short manifest");
    }
    fs::remove_file(&manifest).unwrap();
    expect_corrupt(&lane.run(right_or_corrupt(&lane, &model)), "no manifest");
    // Starting over always works.
    let opened = lane.run(lane.reset()).unwrap();
    assert_eq!((opened.checkpoint, opened.index.stats()), (Vec::new(), IndexStats::default()));
    assert_eq!((lane.run_files(), lane.checkpoint_files()), (Vec::new(), Vec::new()));
}

#[test]
fn blocks_that_changed_places_are_noticed() {
    let (mut lane, model, file) = lane_with_runs();
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[..8192].copy_from_slice(&good[8192..16384]);
    bad[8192..16384].copy_from_slice(&good[..8192]);
    fs::write(&file, &bad).unwrap();
    lane.cool();
    expect_corrupt(&lane.run(right_or_corrupt(&lane, &model)), "swapped");
}

#[test]
fn blocks_out_of_order_end_a_merge() {
    let mut lane = Lane::new(1 << 20);
    let write = async |number| {
        let index = lane.open().await?.index;
        (0..400).for_each(|i| index.put(&key(i), Some(&value(i, number))));
        freeze_and_flush(&index, b"checkpoint").await
    };
    (0..4).for_each(|number| lane.run(write(number)).unwrap());
    let file = lane.path().join(&lane.run_files()[0]);
    let good = fs::read(&file).unwrap();
    // Each block is what its checksum says, in the place that it names.
    let block = |at: usize, number: u32| {
        let mut block = good[at..at + 8192].to_vec();
        block[12..16].copy_from_slice(&number.to_le_bytes());
        let crc = wire::cksum::crc32c(&block[4..]);
        block[..4].copy_from_slice(&crc.to_le_bytes());
        block
    };
    assert_eq!([block(0, 0), block(8192, 1)].concat(), good[..16384]);
    fs::write(&file, [&block(8192, 0)[..], &block(0, 1), &good[16384..]].concat()).unwrap();
    lane.cool();
    let merged = lane.run(async { merge_all(&lane.open().await?.index).await });
    assert!(matches!(merged, Err(Error::Corrupt(_))), "{merged:?}");
    assert_eq!(lane.run_files().len(), 4);
}

#[test]
fn what_a_crash_leaves_is_swept() {
    let (lane, model, file) = lane_with_runs();
    // A run that was written before the manifest was; runs that were merged and not yet removed; a manifest aside.
    let orphans = ["run-00000000000000ff", "run-0000000000000000", "checkpoint-00000000000000fe"]
        .map(|name| lane.path().join(name));
    for orphan in &orphans {
        fs::copy(&file, orphan).unwrap();
    }
    fs::write(lane.path().join("index.manifest.tmp"), b"half").unwrap();
    fs::write(lane.path().join("segment-1"), b"not ours").unwrap();
    lane.run(right_or_corrupt(&lane, &model)).unwrap();
    assert!(orphans.iter().all(|orphan| !orphan.exists()));
    assert!(!lane.path().join("index.manifest.tmp").exists());
    assert!(lane.path().join("segment-1").exists());
    // The numbers of later runs do not clash.
    lane.run(async {
        let index = lane.open().await?.index;
        index.put(b"later", Some(b"1"));
        freeze_and_flush(&index, b"third").await
    })
    .unwrap();
    assert_eq!(lane.run_files().len(), 3);
}

#[test]
fn a_failed_flush_leaves_nothing_and_can_be_tried_again() {
    let (lane, model, _) = lane_with_runs();
    let index = lane.run(lane.open()).unwrap().index;
    index.put(&key(1), None);
    assert!(index.freeze() && !index.freeze());
    // A directory in the place of the file that the manifest is written to.
    let aside = lane.path().join("index.manifest.tmp");
    fs::create_dir(&aside).unwrap();
    assert!(lane.run(index.flush(b"third")).is_err());
    assert_eq!(lane.run_files().len(), 2);
    assert_eq!(index.peek(&key(1)), Peek::Absent);
    fs::remove_dir(&aside).unwrap();
    lane.run(right_or_corrupt(&lane, &model)).unwrap();
    lane.run(index.flush(b"third")).unwrap();
    let opened = lane.run(lane.open()).unwrap();
    assert_eq!((&opened.checkpoint[..], opened.index.peek(&key(2))), (&b"third"[..], Peek::OnDisk));
    assert_eq!(lane.run(opened.index.get(&key(1))).unwrap(), None);
}

#[test]
fn an_entry_too_large_is_an_error() {
    let lane = Lane::new(1 << 20);
    let index = lane.run(lane.open()).unwrap().index;
    index.put(&vec![b'k'; 1100], Some(&vec![b'v'; 100_000]));
    lane.run(freeze_and_flush(&index, b"")).unwrap();
    assert_eq!(lane.run(index.get(&vec![b'k'; 1100])).unwrap().unwrap().len(), 100_000);
    index.put(b"k", Some(&vec![b'v'; 128 << 10]));
    let refused = lane.run(freeze_and_flush(&index, b""));
    assert!(matches!(refused, Err(Error::Internal(_))), "{refused:?}");
    assert_eq!(lane.run_files().len(), 1);
}
