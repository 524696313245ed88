//! `bench index-engines` from the command line to the result file, at a small size.

use serde_json::Value;
use std::process::Command;

#[test]
fn small_comparison_of_all_engines() {
    // On a disk that can do direct I/O.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let out = dir.path().join("out.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(["index-engines", "--keys", "2000", "--rounds", "2", "--dir"]).arg(dir.path().join("work"));
    let output = command.arg("--out").arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let result: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    let names: Vec<&str> =
        result["contenders"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fjall", "redb", "lsm", "lsm-log", "hand-over"]);
    for engine in &result["contenders"].as_array().unwrap()[..4] {
        let medians = engine["medians"].as_object().unwrap();
        assert_eq!(engine["rounds"].as_array().unwrap().len(), 2);
        assert!(medians["ingest_keys_per_s"].as_f64().unwrap() > 0.0);
        assert!(medians["crash_applied_batches"].as_f64().unwrap() >= 8.0);
        // The batches that the engine's own counter of a lane claims are there, and nothing else.
        assert_eq!(medians["crash_broken_lane_batches"].as_f64(), Some(0.0), "{engine}");
        if engine["name"] == "lsm-log" {
            // The process is killed, not the system, and every batch was written.
            assert_eq!(medians["crash_lost_batches"].as_f64(), Some(0.0), "{engine}");
            assert_eq!(medians["crash_split_batches"].as_f64(), Some(0.0), "{engine}");
        }
        assert!(medians.keys().all(|name| result["legend"].get(name).is_some()));
    }
    let left = std::fs::read_dir(dir.path().join("work")).unwrap().count();
    assert_eq!(left, 0, "the run leaves nothing behind");
}
