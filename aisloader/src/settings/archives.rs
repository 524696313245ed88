//! `-arch.*` and `-readertype=tar`.

use crate::flags::{FlagError, Parsed};
use crate::workload::archive::{Archives, FILES_MAX};

const EXTENSION: &str = ".tar";
const FILE_BYTES_MIN_DEFAULT: u64 = 1 << 10;

/// Reads the flags for writing and reading shards.
///
/// # Errors
/// When the flags contradict each other, or ask for another format than TAR.
pub(crate) fn archives(flags: &Parsed) -> Result<Archives, FlagError> {
    let refuse = |why: String| Err(FlagError(why));
    let format = flags.text("arch.format");
    if !matches!(format, ".tar" | "tar") {
        return refuse(format!(
            "-arch.format: {format:?}: only .tar is supported, for its files lie in it as they are"
        ));
    }
    let pct = flags.int("arch.pct");
    let Some(pct) = u32::try_from(pct).ok().filter(|pct| *pct <= 100) else {
        return refuse(format!("-arch.pct: {pct} is not within 0 and 100"));
    };
    let files = flags.int("arch.num-files");
    let Some(files) = u64::try_from(files).ok().filter(|files| *files <= FILES_MAX) else {
        return refuse(format!("-arch.num-files: {files} is not within 0 and {FILES_MAX}"));
    };
    let is_read = flags.boolean("arch.list");
    let whole_only =
        ["readoff", "readlen"].into_iter().find(|name| flags.size(name).is_some_and(|size| size > 0));
    let objects_only = ["pctupdate", "pcthead", "pctdel"].into_iter().find(|name| flags.int(name) > 0);
    if let (true, Some(other)) = (is_read, whole_only.or(objects_only)) {
        return refuse(format!(
            "-arch.list excludes -{other}: files in shards are only read, and as a whole"
        ));
    }
    let prefix = flags.text("arch.prefix").to_owned();
    let (pct, extension) = match pct {
        0 if flags.text("readertype") == "tar" => (100, ""),
        pct => (pct, EXTENSION),
    };
    let archives = Archives { pct, extension, files, file_bytes: file_bytes(flags)?, prefix, is_read };
    if let Err(e) = tar::Header::new_ustar().set_path(archives.path(0)) {
        return refuse(format!("-arch.prefix: {:?} cannot begin a path in a TAR: {e}", archives.prefix));
    }
    Ok(archives)
}

fn file_bytes(flags: &Parsed) -> Result<Option<(u64, u64)>, FlagError> {
    let given = |name| flags.size(name).filter(|bytes| *bytes > 0);
    let (least, most) = match (given("arch.minsize"), given("arch.maxsize")) {
        (None, None) => return Ok(None),
        (Some(least), None) => (least, least),
        (None, Some(most)) => (FILE_BYTES_MIN_DEFAULT.min(most), most),
        (Some(least), Some(most)) => (least, most),
    };
    if least > most {
        let text = format!("-arch.minsize ({least} bytes) is larger than -arch.maxsize ({most} bytes)");
        return Err(FlagError(text));
    }
    Ok(Some((least, most)))
}
