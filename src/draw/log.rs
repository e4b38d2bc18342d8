//! `metrics.csv`: what a run measured, one line per step, written so that a killed run loses a line at most.
//!
//! The first column is `step`; the others are the run's. A cell is empty where nothing was measured at that step.
//! A resumed run drops the lines after the step it resumes from, so the file reads as if it had never stopped.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A `metrics.csv` that is being written.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    columns: Vec<String>,
    file: BufWriter<File>,
}

impl MetricsLog {
    /// A new file at `path` with these columns beside `step`; an older one is replaced.
    pub fn create(path: impl AsRef<Path>, columns: &[&str]) -> Result<Self> {
        let columns = columns.iter().map(ToString::to_string).collect();
        Self::start(path.as_ref(), Metrics { columns, rows: Vec::new() })
    }

    /// Goes on with the file at `path` after step `step`: later lines, and one that was cut short, are dropped.
    /// Without a file, or with other columns in it, a new one is begun, keeping the cells of columns that both have.
    pub fn resume(path: impl AsRef<Path>, columns: &[&str], step: u64) -> Result<Self> {
        let path = path.as_ref();
        if !path.exists() {
            return Self::create(path, columns);
        }
        let old = Metrics::read(path)?;
        let places: Vec<_> = columns.iter().map(|c| old.columns.iter().position(|o| o == c)).collect();
        let kept = old.rows.iter().filter(|(s, _)| *s <= step);
        let rows = kept.map(|(s, cells)| (*s, places.iter().map(|p| cells[(*p)?]).collect())).collect();
        Self::start(path, Metrics { columns: columns.iter().map(ToString::to_string).collect(), rows })
    }

    /// Writes `metrics` beside `path`, moves it there, and goes on at its end.
    fn start(path: &Path, metrics: Metrics) -> Result<Self> {
        let failed = |e| Error::io(path, e);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        }
        let beside = path.with_extension("csv.new");
        let mut text = format!("step,{}\n", metrics.columns.join(","));
        metrics.rows.iter().for_each(|(step, cells)| text.push_str(&line(*step, cells)));
        std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path)).map_err(failed)?;
        let file = BufWriter::new(OpenOptions::new().append(true).open(path).map_err(failed)?);
        Ok(Self { path: path.into(), columns: metrics.columns, file })
    }

    /// Adds a line; columns that are not among `values` stay empty. Panics on a name that is no column.
    pub fn write(&mut self, step: u64, values: &[(&str, f64)]) -> Result<()> {
        let mut cells = vec![None; self.columns.len()];
        for (name, value) in values {
            let column = self.columns.iter().position(|c| c == name);
            cells[column.unwrap_or_else(|| panic!("'{name}' is no column of the log"))] = Some(*value);
        }
        let written = self.file.write_all(line(step, &cells).as_bytes()).and_then(|()| self.file.flush());
        written.map_err(|e| Error::io(&self.path, e))
    }
}

/// The shortest digits that read back as the same numbers.
fn line(step: u64, cells: &[Option<f64>]) -> String {
    let mut text = step.to_string();
    for cell in cells {
        text.push(',');
        if let Some(value) = cell {
            text.push_str(&value.to_string());
        }
    }
    text.push('\n');
    text
}

/// A `metrics.csv` that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Names of the columns after `step`.
    pub columns: Vec<String>,
    /// Step and one cell per column.
    pub rows: Vec<(u64, Vec<Option<f64>>)>,
}

impl Metrics {
    /// Reads the file at `path`. A last line that was cut short is left out; any other bad line is an error.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let mut lines = text.split_inclusive('\n').enumerate();
        let header = lines.next().map_or("", |(_, header)| header.trim_end());
        let mut names = header.split(',').map(String::from);
        if names.next().as_deref() != Some("step") {
            return Err(Error::file(path, "line 1 does not begin with 'step': this is no metrics.csv"));
        }
        let columns: Vec<String> = names.filter(|name| !name.is_empty()).collect();
        let rows = lines
            .filter(|(_, line)| line.ends_with('\n') && !line.trim().is_empty())
            .map(|(i, line)| {
                row(line.trim_end_matches(['\r', '\n']), columns.len()).ok_or_else(|| {
                    Error::file(path, format!("line {} does not read as numbers: {:.60}", i + 1, line.trim_end()))
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { columns, rows })
    }

    /// Steps and values of one column, where it has any.
    pub fn series(&self, column: &str) -> Vec<(u64, f64)> {
        let Some(place) = self.columns.iter().position(|c| c == column) else { return Vec::new() };
        self.rows.iter().filter_map(|(step, cells)| Some((*step, cells[place]?))).collect()
    }
}

fn row(line: &str, columns: usize) -> Option<(u64, Vec<Option<f64>>)> {
    let mut cells = line.split(',');
    let step = cells.next()?.parse().ok()?;
    let values: Vec<Option<f64>> =
        cells.map(|c| if c.is_empty() { Some(None) } else { c.parse().ok().map(Some) }).collect::<Option<_>>()?;
    (values.len() == columns || columns == 0).then_some((step, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [&str; 2] = ["loss", "val_dice"];

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/metrics.csv");
        let mut log = MetricsLog::create(&path, &COLUMNS).unwrap();
        log.write(1, &[("loss", 0.1 + 0.2)]).unwrap();
        log.write(2, &[("val_dice", 0.5), ("loss", f64::NAN)]).unwrap();
        let read = Metrics::read(&path).unwrap();
        assert_eq!(read.columns, COLUMNS);
        assert_eq!(read.rows[0], (1, vec![Some(0.1 + 0.2), None]));
        assert!(read.series("loss")[1].1.is_nan());
        assert_eq!(read.series("val_dice"), [(2, 0.5)]);
        assert_eq!(read.series("other"), []);
    }

    #[test]
    fn a_resumed_run_leaves_the_file_of_one_that_never_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, resumed) = (folder.path().join("a.csv"), folder.path().join("b.csv"));
        let write = |log: &mut MetricsLog, step: u64| log.write(step, &[("loss", 1.0 / step as f64)]).unwrap();
        let mut log = MetricsLog::create(&whole, &COLUMNS).unwrap();
        (1..=6).for_each(|s| write(&mut log, s));
        let mut log = MetricsLog::create(&resumed, &COLUMNS).unwrap();
        (1..=5).for_each(|s| write(&mut log, s));
        drop(log);
        // Killed in the middle of a line, after the checkpoint of step 3.
        let mut file = OpenOptions::new().append(true).open(&resumed).unwrap();
        file.write_all(b"6,0.1").unwrap();
        let mut log = MetricsLog::resume(&resumed, &COLUMNS, 3).unwrap();
        (4..=6).for_each(|s| write(&mut log, s));
        assert_eq!(std::fs::read(whole).unwrap(), std::fs::read(resumed).unwrap());
    }

    #[test]
    fn columns_may_change_on_resuming() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        MetricsLog::create(&path, &COLUMNS).unwrap().write(1, &[("loss", 2.0), ("val_dice", 0.5)]).unwrap();
        MetricsLog::resume(&path, &["lr", "loss"], 9).unwrap().write(2, &[("lr", 0.5)]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "step,lr,loss\n1,,2\n2,0.5,\n");
        let fresh = folder.path().join("none.csv");
        MetricsLog::resume(&fresh, &["loss"], 9).unwrap();
        assert_eq!(std::fs::read_to_string(&fresh).unwrap(), "step,loss\n");
    }

    #[test]
    fn bad_lines_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        for (text, word) in [
            ("", "line 1"),
            ("epoch,loss\n", "line 1"),
            ("step,loss\n1,x\n2,3\n", "line 2"),
            ("step,loss\n1,2,3\n", "line 2"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Metrics::read(&path).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("metrics.csv"), "{text:?}: {error}");
        }
    }
}
