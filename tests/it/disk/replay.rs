//! What lies on a disk after each call of a log, and what a loss of power could leave of it.
//!
//! The model is stricter than ext4 in its usual mode (`data=ordered`), so that what holds here holds there:
//!
//! - What was written before a sync of its file began lasts once that sync has come back well. Nothing else does.
//! - Of every other write any 512-byte sectors may be there and any others not, in any order, across files too; its length
//!   may be there without its bytes (zeros then). A change of length may be there or not.
//! - A failed sync settles nothing: what it was about may be lost even if a later sync of the file succeeds.
//! - A name that was made or removed lasts once its folder was synced; a sync of the file is not enough. Names go in the
//!   order in which they were made or removed.
//! - A sector that lasts is not harmed by a write beside it (SQLite's "powersafe overwrite").

use std::collections::{BTreeMap, HashMap};

use super::log::Call;
use crate::runtime_support::Dice;

const SECTOR: u64 = 512;

/// What may be left of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// All of it: the process died, and not the machine.
    ProcessOnly,
    /// None of it.
    Dropped,
    /// Of each file what was written first, and of one write more a part.
    Torn,
    /// Any of it.
    Reordered,
}

/// A file, whatever its name is.
#[derive(Default)]
struct File<'a> {
    /// What lasts, up to the first write that does not.
    base: Vec<u8>,
    /// What came after that, in order.
    writes: Vec<Write<'a>>,
}

struct Write<'a> {
    number: u64,
    change: Change<'a>,
    fate: Fate,
}

#[derive(Clone, Copy)]
enum Change<'a> {
    Bytes(u64, &'a [u8]),
    Length(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Not synced yet.
    Open,
    /// Synced.
    Lasts,
    /// A sync of it failed.
    Doomed,
}

/// A name was made for a file, or removed.
struct Naming {
    number: u64,
    name: String,
    file: Option<usize>,
}

/// The disk, call by call.
#[derive(Default)]
pub(crate) struct Disk<'a> {
    files: Vec<File<'a>>,
    /// Names that last.
    names: BTreeMap<String, usize>,
    namings: Vec<Naming>,
    /// None is the folder itself.
    handles: HashMap<u32, Option<usize>>,
    begun: HashMap<u32, u64>,
    calls: u64,
}

impl<'a> Disk<'a> {
    /// With files that last.
    pub(crate) fn holding(files: Vec<(String, Vec<u8>)>) -> Self {
        let mut disk = Self::default();
        for (name, base) in files {
            disk.names.insert(name, disk.files.len());
            disk.files.push(File { base, writes: Vec::new() });
        }
        disk
    }

    /// Takes the next call.
    pub(crate) fn take(&mut self, call: &'a Call) {
        self.calls += 1;
        match call {
            Call::Start => self.handles.clear(),
            Call::Open { handle, created, emptied, name } => self.open(*handle, (*created, *emptied), name),
            Call::Write { handle, offset, bytes } => self.write(*handle, Change::Bytes(*offset, bytes)),
            Call::Resize { handle, length } => self.write(*handle, Change::Length(*length)),
            Call::SyncBegin { handle } => drop(self.begun.insert(*handle, self.calls)),
            Call::SyncEnd { handle, held } => self.synced(*handle, *held),
            Call::Unlink { name } => self.namings.push(Naming { number: self.calls, name: name.clone(), file: None }),
            Call::Read { .. } | Call::Fault { .. } => {}
        }
    }

    fn open(&mut self, handle: u32, (created, emptied): (bool, bool), name: &str) {
        if name.is_empty() {
            self.handles.insert(handle, None);
            return;
        }
        let there = self.named(self.namings.len()).get(name).copied();
        let file = match there {
            Some(file) => file,
            None => {
                assert!(created, "{name} is opened, and nobody has made it");
                self.files.push(File::default());
                let file = self.files.len() - 1;
                self.namings.push(Naming { number: self.calls, name: name.to_string(), file: Some(file) });
                file
            }
        };
        self.handles.insert(handle, Some(file));
        if emptied {
            self.write(handle, Change::Length(0));
        }
    }

    fn write(&mut self, handle: u32, change: Change<'a>) {
        if let Some(file) = self.handles[&handle] {
            self.files[file].writes.push(Write { number: self.calls, change, fate: Fate::Open });
        }
    }

    fn synced(&mut self, handle: u32, held: bool) {
        let Some(begun) = self.begun.remove(&handle) else { return };
        match self.handles[&handle] {
            Some(file) => self.files[file].synced(begun, held),
            None if held => {
                let last = self.namings.partition_point(|naming| naming.number < begun);
                for naming in self.namings.drain(..last) {
                    rename(&mut self.names, &naming);
                }
            }
            None => {}
        }
    }

    /// The names, with so many of the namings that do not last.
    fn named(&self, namings: usize) -> BTreeMap<String, usize> {
        let mut names = self.names.clone();
        self.namings.iter().take(namings).for_each(|naming| rename(&mut names, naming));
        names
    }

    /// The files that are left.
    pub(crate) fn image(&self, loss: Loss, dice: &mut Dice) -> Vec<(String, Vec<u8>)> {
        let namings = match loss {
            Loss::ProcessOnly => self.namings.len(),
            Loss::Dropped => 0,
            Loss::Torn | Loss::Reordered => dice.below(self.namings.len() as u64 + 1) as usize,
        };
        let files = self.named(namings).into_iter();
        files.map(|(name, file)| (name, self.files[file].after(loss, dice))).collect()
    }
}

fn rename(names: &mut BTreeMap<String, usize>, naming: &Naming) {
    match naming.file {
        Some(file) => names.insert(naming.name.clone(), file),
        None => names.remove(&naming.name),
    };
}

impl File<'_> {
    fn synced(&mut self, begun: u64, held: bool) {
        let fate = if held { Fate::Lasts } else { Fate::Doomed };
        let reached = self.writes.partition_point(|write| write.number < begun);
        self.writes[..reached].iter_mut().filter(|write| write.fate == Fate::Open).for_each(|write| write.fate = fate);
        // A write that lasts and follows one that may not keeps its place among them.
        let lasting = self.writes.iter().take_while(|write| write.fate == Fate::Lasts).count();
        for write in self.writes.drain(..lasting) {
            whole(&mut self.base, write.change);
        }
    }

    fn after(&self, loss: Loss, dice: &mut Dice) -> Vec<u8> {
        let mut content = self.base.clone();
        let unsure = self.writes.iter().filter(|write| write.fate != Fate::Lasts).count() as u64;
        let (mut nth, torn) = (0, if loss == Loss::Torn { dice.below(unsure + 1) } else { 0 });
        for write in &self.writes {
            if write.fate == Fate::Lasts || loss == Loss::ProcessOnly {
                whole(&mut content, write.change);
                continue;
            }
            match loss {
                Loss::Torn if nth < torn => whole(&mut content, write.change),
                Loss::Torn if nth == torn => first_sectors(&mut content, write.change, dice),
                Loss::Reordered => any_sectors(&mut content, write.change, dice),
                _ => {}
            }
            nth += 1;
        }
        content
    }
}

fn whole(content: &mut Vec<u8>, change: Change<'_>) {
    match change {
        Change::Bytes(offset, bytes) => put(content, offset, bytes),
        Change::Length(length) => content.resize(length as usize, 0),
    }
}

fn put(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + bytes.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

/// The parts of a write that lie in different sectors.
fn sectors(offset: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let (first, end) = (offset / SECTOR, (offset + bytes.len() as u64).div_ceil(SECTOR));
    (first..end).map(move |sector| {
        let from = (sector * SECTOR).max(offset);
        let to = ((sector + 1) * SECTOR).min(offset + bytes.len() as u64);
        (from, &bytes[(from - offset) as usize..(to - offset) as usize])
    })
}

fn first_sectors(content: &mut Vec<u8>, change: Change<'_>, dice: &mut Dice) {
    let Change::Bytes(offset, bytes) = change else { return };
    let kept = dice.below(sectors(offset, bytes).count() as u64);
    sectors(offset, bytes).take(kept as usize).for_each(|(at, part)| put(content, at, part));
}

fn any_sectors(content: &mut Vec<u8>, change: Change<'_>, dice: &mut Dice) {
    let manner = dice.below(4);
    let Change::Bytes(offset, bytes) = change else {
        return if manner < 2 {
            whole(content, change)
        };
    };
    match manner {
        0 => {}
        1 => whole(content, change),
        2 => sectors(offset, bytes).filter(|_| dice.below(2) == 0).for_each(|(at, part)| put(content, at, part)),
        _ => {
            let length = content.len().max(offset as usize + bytes.len());
            content.resize(length, 0);
        }
    }
}
