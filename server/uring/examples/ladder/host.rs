//! Facts about the machine that make figures comparable, and nothing that names it.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

pub(crate) fn facts_json(dir: &Path) -> io::Result<String> {
    let dir = uring::sys::open_dir(dir)?;
    let fs = uring::sys::file_system(dir.as_fd())?;
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo")?;
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    Ok(format!(
        "{{\"date\": \"{}\", \"kernel\": \"{}\", \"cpu\": \"{} (family {}, model {})\", \"cores\": {}, \"file_system\": \
         \"{}\"}}",
        today(),
        rustix::system::uname().release().to_string_lossy(),
        field("model name").unwrap_or_default(),
        field("cpu family").unwrap_or_default(),
        field("model\t").unwrap_or_default(),
        std::thread::available_parallelism()?,
        fs.kind
    ))
}

/// The date in UTC (civil-from-days of Howard Hinnant).
fn today() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let days = (since.as_secs() / 86400) as i64 + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{:02}", day_of_year - (153 * shifted + 2) / 5 + 1)
}
