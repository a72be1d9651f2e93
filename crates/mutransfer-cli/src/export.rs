//! `mutransfer export`: the trials of a study for other programs.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use mutransfer_study::executor::batch::{self, Batch};
use mutransfer_study::executor::manifest::{self, PROGRAM};
use mutransfer_study::export::{jsonl, optuna, tensorboard};
use mutransfer_study::store::{csv, read};
use tempfile::NamedTempFile;

use crate::args::{ExportFormat, ExportOptions};
use crate::failure::Failure;
use crate::say::{note, say, say_text};

pub(crate) fn export(options: &ExportOptions) -> Result<(), Failure> {
    let folder = &options.folder;
    match options.format {
        ExportFormat::Csv => {
            let table = csv(&read(folder)?);
            text(options, &String::from_utf8_lossy(&table))
        }
        ExportFormat::Jsonl => {
            let mut out = Out::open(options)?;
            jsonl(folder, |line| out.line(line))?;
            out.finish()
        }
        ExportFormat::Optuna => {
            let mut out = Out::open(options)?;
            optuna(folder, &name(folder), |line| out.line(line))?;
            out.finish()
        }
        ExportFormat::Parquet => parquet(options),
        ExportFormat::K8s => text(options, &manifest::kubernetes(&ready(folder)?)),
        ExportFormat::Sky => text(options, &manifest::sky(&ready(folder)?, &absolute(folder)?)),
        ExportFormat::Tensorboard => {
            let out = place(options)?;
            if !options.overwrite
                && fs::read_dir(out).is_ok_and(|mut folder| folder.next().is_some())
            {
                return Err(in_the_way(out));
            }
            let runs = tensorboard(folder, out)?;
            note!("{runs} runs: tensorboard --logdir {}", out.display());
            Ok(())
        }
    }
}

#[cfg(feature = "parquet")]
fn parquet(options: &ExportOptions) -> Result<(), Failure> {
    let trials = read(&options.folder)?;
    let mut file = File::create(place(options)?, options.overwrite)?;
    let written = mutransfer_study::export::parquet(&trials, &mut file.writer);
    written.context("cannot write the Parquet file")?;
    file.finish()
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: &ExportOptions) -> Result<(), Failure> {
    Err(Failure::usage(
        "this program was built without Parquet",
        Some("`cargo install --path crates/mutransfer-cli --features parquet` builds it with it"),
    ))
}

fn text(options: &ExportOptions, text: &str) -> Result<(), Failure> {
    let mut out = Out::open(options)?;
    out.text(text)?;
    out.finish()
}

/// The batch that lies ready in the folder of a study.
fn ready(folder: &Path) -> Result<Batch, Failure> {
    let is_ready = |own: &Batch| batch::folder(folder, &own.name).join(PROGRAM).exists();
    let found = Batch::all(folder)?.into_iter().find(is_ready);
    found.ok_or_else(|| {
        let nothing = format!(
            "nothing is ready for another engine in {}",
            folder.display()
        );
        let hint = "`mutransfer sweep STUDY.toml --prepare` makes ready what is missing";
        Failure::usage(nothing, Some(hint))
    })
}

fn absolute(folder: &Path) -> Result<PathBuf, Failure> {
    Ok(std::path::absolute(folder).context("cannot find the current folder")?)
}

/// What a study in a folder is called there.
fn name(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Where to write what is no text.
fn place(options: &ExportOptions) -> Result<&Path, Failure> {
    options.out.as_deref().ok_or_else(|| {
        Failure::usage(
            "this format is no text, and is not written on standard output",
            Some("--out says where to"),
        )
    })
}

fn in_the_way(path: &Path) -> Failure {
    Failure::usage(
        format!("{} is there already", path.display()),
        Some("choose another place with --out, or let --overwrite replace it"),
    )
}

/// Standard output, or a file that appears once it is whole.
enum Out {
    Stdout,
    File(File),
}

struct File {
    writer: BufWriter<NamedTempFile>,
    path: PathBuf,
    overwrite: bool,
}

impl Out {
    fn open(options: &ExportOptions) -> Result<Self, Failure> {
        match &options.out {
            None => Ok(Self::Stdout),
            Some(path) => File::create(path, options.overwrite).map(Self::File),
        }
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        match self {
            Self::Stdout => say!("{line}"),
            Self::File(file) => writeln!(file.writer, "{line}").context("cannot write the file")?,
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Failure> {
        match self {
            Self::Stdout => say_text!("{text}"),
            Self::File(file) => {
                let written = file.writer.write_all(text.as_bytes());
                written.context("cannot write the file")?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(file) => file.finish(),
        }
    }
}

impl File {
    fn create(path: &Path, overwrite: bool) -> Result<Self, Failure> {
        if path.exists() && !overwrite {
            return Err(in_the_way(path));
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let (writer, path) = (BufWriter::new(file), path.to_owned());
        Ok(Self {
            writer,
            path,
            overwrite,
        })
    }

    fn finish(self) -> Result<(), Failure> {
        let Self {
            writer,
            path,
            overwrite,
        } = self;
        let cannot = || format!("cannot write {}", path.display());
        let file = writer.into_inner().with_context(cannot)?;
        let kept = if overwrite {
            file.persist(&path)
        } else {
            file.persist_noclobber(&path)
        };
        kept.map(|_| ()).with_context(cannot).map_err(Failure::from)
    }
}
