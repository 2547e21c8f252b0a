//! Where events come from: files, gzipped or not, and standard input. They are read and parsed on a thread of their own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use regie_core::event::{EventError, Incoming, Origin};
use regie_core::limits;
use tokio::sync::mpsc;

use super::lines::{BYTE_ORDER_MARK, Line, Lines};

/// A line of a file, understood or not.
pub(in crate::cli) struct Item {
    pub(in crate::cli) place: Place,
    pub(in crate::cli) event: Result<Incoming, String>,
}

/// Where a line stands.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Place {
    pub(in crate::cli) file: Arc<str>,
    pub(in crate::cli) line: u64,
}

/// A file that is open, or standard input.
pub(in crate::cli) struct Source {
    name: Arc<str>,
    input: Box<dyn Read + Send>,
    /// Whether it is to be unzipped even if it does not look like it.
    zipped: bool,
}

/// All sources with their size together, where each has one.
pub(in crate::cli) struct Sources {
    pub(in crate::cli) all: Vec<Source>,
    pub(in crate::cli) bytes: Option<u64>,
    /// Bytes read so far, before unzipping.
    pub(in crate::cli) read: Arc<AtomicU64>,
}

/// Lines handed over together, so that not each costs a hand-over between threads.
const BATCH: usize = 128;
/// Bytes handed over together: a few long lines are enough.
const BATCH_BYTES: usize = 256 * 1024;
/// Batches that wait to be taken.
const BATCHES: usize = 8;

/// Opens every file before anything is taken, so that a wrong name changes nothing.
pub(in crate::cli) fn open(paths: &[PathBuf]) -> Result<Sources, String> {
    let read = Arc::new(AtomicU64::new(0));
    let mut bytes = Some(0_u64);
    let mut all = Vec::with_capacity(paths.len());
    for path in paths {
        let input: Box<dyn Read + Send> = if path == Path::new("-") {
            bytes = None;
            Box::new(io::stdin())
        } else {
            let cannot = |error: io::Error| format!("{} cannot be read ({error})", path.display());
            let file = File::open(path).map_err(cannot)?;
            let about = file.metadata().map_err(cannot)?;
            if about.is_dir() {
                return Err(format!("{} is a folder, not a file", path.display()));
            }
            bytes = bytes.filter(|_| about.is_file()).map(|bytes| bytes + about.len());
            Box::new(file)
        };
        let zipped = path.extension().is_some_and(|it| it == "gz");
        let name = if path == Path::new("-") { "<stdin>".into() } else { path.display().to_string().into() };
        all.push(Source { name, input: Box::new(Counted { input, read: Arc::clone(&read) }), zipped });
    }
    Ok(Sources { all, bytes, read })
}

/// Reads all sources on a thread of their own, which ends when nobody takes its batches any more.
pub(in crate::cli) fn read(sources: Vec<Source>) -> io::Result<mpsc::Receiver<Vec<Item>>> {
    let (sender, receiver) = mpsc::channel(BATCHES);
    std::thread::Builder::new().name("regie-input".into()).spawn(move || {
        let mut batch = Batch { sender, items: Vec::new(), bytes: 0 };
        for source in sources {
            if !read_one(source, &mut batch) {
                return;
            }
        }
        batch.send();
    })?;
    Ok(receiver)
}

/// Reads one source to its end. False when nobody takes its lines any more.
fn read_one(source: Source, batch: &mut Batch) -> bool {
    let file = source.name;
    let mut lines = match unzipped(source.input, source.zipped) {
        Ok(input) => Lines::new(input, limits::EVENT_BYTES),
        Err(error) => return batch.add(failed(file, 1, &error), 0),
    };
    loop {
        if lines.must_wait() && !batch.send() {
            return false;
        }
        let (item, bytes) = match lines.next() {
            Ok(None) => return true,
            Ok(Some((line, content))) => (understood(Place { file: file.clone(), line }, &content), size(&content)),
            Err(error) => return batch.add(failed(file, lines.number() + 1, &error), 0),
        };
        if !batch.add(item, bytes) {
            return false;
        }
    }
}

fn size(line: &Line) -> usize {
    if let Line::Bytes(bytes) = line { bytes.len() } else { 0 }
}

fn understood(place: Place, line: &Line) -> Item {
    let event = match line {
        Line::Bytes(bytes) => Incoming::read(bytes, Origin::File),
        Line::TooLong(bytes) => Err(EventError::TooLarge {
            bytes: usize::try_from(*bytes).unwrap_or(usize::MAX),
            limit: limits::EVENT_BYTES,
        }),
    };
    Item { place, event: event.map_err(|error| format!("{error}{}", mark_in(line))) }
}

/// What is said of a line that cannot be read and has a byte order mark in its midst: where files were joined, and the first
/// had no line feed at its end.
fn mark_in(line: &Line) -> String {
    let Line::Bytes(bytes) = line else { return String::new() };
    let mark = bytes.windows(BYTE_ORDER_MARK.len()).position(|part| part == BYTE_ORDER_MARK);
    mark.map_or_else(String::new, |at| format!("; a byte order mark stands before byte {} of the line", at + 1))
}

fn failed(file: Arc<str>, line: u64, error: &io::Error) -> Item {
    Item { place: Place { file, line }, event: Err(format!("the file cannot be read further ({error})")) }
}

/// The input without its zip: told by its first bytes, or by its name.
fn unzipped(input: Box<dyn Read + Send>, zipped: bool) -> io::Result<Box<dyn Read>> {
    let mut input = BufReader::with_capacity(64 * 1024, input);
    // The first byte tells: no JSON begins with it, and a pipe may give it alone.
    let looks_zipped = input.fill_buf()?.starts_with(&[0x1f]);
    Ok(if zipped || looks_zipped { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) })
}

struct Counted {
    input: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.input.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

struct Batch {
    sender: mpsc::Sender<Vec<Item>>,
    items: Vec<Item>,
    bytes: usize,
}

impl Batch {
    /// Adds a line. False when nobody takes them any more.
    fn add(&mut self, item: Item, bytes: usize) -> bool {
        self.items.push(item);
        self.bytes += bytes;
        if self.items.len() < BATCH && self.bytes < BATCH_BYTES { true } else { self.send() }
    }

    /// Hands over what there is. False when nobody takes it any more.
    fn send(&mut self) -> bool {
        self.bytes = 0;
        let items = std::mem::take(&mut self.items);
        items.is_empty() || self.sender.blocking_send(items).is_ok()
    }
}
