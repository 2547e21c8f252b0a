//! Goes through a recording, loses power at its calls, and holds what is left against what was promised.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use regie::journal::Durability;

use super::bench::{ANSWERS, Answers, scratch};
use super::check::Reference;
use super::loads::Recording;
use super::replay::{Disk, Loss};
use super::resume::resume;
use crate::runtime_support::Dice;

/// What is tried at a call, in turn. What was lost to begin with is tried twice as often as the process's death alone.
const LOSSES: [Loss; 8] = [
    Loss::Dropped,
    Loss::Torn,
    Loss::Reordered,
    Loss::Reordered,
    Loss::Dropped,
    Loss::Torn,
    Loss::ProcessOnly,
    Loss::Reordered,
];

/// One image of so many is gone on with; no divisor in common with the number of losses.
const RESUMED: u64 = 15;

/// Failures that are shown.
const SHOWN: usize = 5;

/// What a sweep saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) images: BTreeMap<Loss, u64>,
    /// Images that differ from each other, by a hash of all their files.
    pub(crate) distinct: HashSet<u64>,
    /// Images in which something was answered before.
    pub(crate) answered: u64,
    /// Images whose journal ended where not all that was written last was there.
    pub(crate) shortened: u64,
    pub(crate) rebuilt: u64,
    /// Images on which a runtime was started, and everything sent again.
    pub(crate) resumed: u64,
    pub(crate) failed: u64,
    /// The first failures, with how to see them again.
    pub(crate) failures: Vec<String>,
}

impl Seen {
    pub(crate) fn all(&self) -> u64 {
        self.images.values().sum()
    }

    fn add(&mut self, other: Seen) {
        for (loss, count) in other.images {
            *self.images.entry(loss).or_default() += count;
        }
        self.distinct.extend(other.distinct);
        self.answered += other.answered;
        self.shortened += other.shortened;
        self.rebuilt += other.rebuilt;
        self.resumed += other.resumed;
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.truncate(SHOWN);
    }

    /// Adds up what several sweeps saw.
    pub(crate) fn sum(all: impl IntoIterator<Item = Seen>) -> Seen {
        let mut sum = Seen::default();
        all.into_iter().for_each(|seen| sum.add(seen));
        sum
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { images, distinct, answered, shortened, rebuilt, resumed, failed, .. } = self;
        let kinds: Vec<String> = images.iter().map(|(loss, count)| format!("{count} {loss:?}")).collect();
        write!(f, "{} images ({}), {} distinct; ", self.all(), kinds.join(", "), distinct.len())?;
        write!(
            f,
            "{answered} after an answer, {shortened} cut short, {rebuilt} with a new index, {resumed} resumed, "
        )?;
        write!(f, "{failed} failed")
    }
}

/// Keeps an image for whoever wants to know why it failed.
fn kept(image: &[(String, Vec<u8>)]) -> PathBuf {
    let folder = tempfile::Builder::new().prefix("regie-power-loss-").disable_cleanup(true).tempdir().unwrap();
    lay(folder.path(), image);
    folder.path().to_path_buf()
}

/// Writes an image into a folder in place of whatever is there.
pub(crate) fn lay(folder: &Path, image: &[(String, Vec<u8>)]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for (name, bytes) in image.iter().filter(|(name, _)| name != ANSWERS) {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

impl Recording {
    /// The journal as it was in the end, which every answer must be in.
    pub(crate) fn reference(&self) -> Reference {
        let (mut disk, mut answers) = (Disk::default(), Answers::default());
        for call in &self.calls {
            disk.take(call);
            answers.take(call);
        }
        let folder = scratch();
        lay(folder.path(), &disk.image(Loss::ProcessOnly, &mut Dice(0)));
        let reference = Reference::of(folder.path());
        assert!(!answers.all.is_empty(), "{}: nothing was answered", self.load.name);
        reference.answers_hold(&answers.all, &self.sent).unwrap();
        reference
    }

    /// Tries so many images, spread evenly over the calls.
    pub(crate) fn sweep(&self, images: u64, seed: u64) -> Seen {
        let reference = self.reference();
        let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let plan = |worker| Plan { recording: self, reference: &reference, images, seed, share: (worker, workers) };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|worker| scope.spawn(move || plan(worker).run())).collect();
            Seen::sum(threads.into_iter().map(|thread| thread.join().unwrap()))
        })
    }
}

/// The part of one worker.
struct Plan<'a> {
    recording: &'a Recording,
    reference: &'a Reference,
    images: u64,
    seed: u64,
    share: (u64, u64),
}

/// The disk after a call, what was answered by then, and where to lay what is left.
struct Left<'a> {
    disk: &'a Disk<'a>,
    answers: &'a Answers,
    call: u64,
    folder: &'a Path,
}

impl Plan<'_> {
    fn run(&self) -> Seen {
        let (mut disk, mut answers, mut seen) = (Disk::default(), Answers::default(), Seen::default());
        let folder = scratch();
        let calls = &self.recording.calls;
        let (worker, workers) = self.share;
        for (nth, call) in (0_u64..).zip(calls) {
            disk.take(call);
            answers.take(call);
            let before = |nth: u64| nth * self.images / calls.len() as u64;
            for image in (before(nth)..before(nth + 1)).filter(|image| image % workers == worker) {
                let left = Left { disk: &disk, answers: &answers, call: nth, folder: folder.path() };
                self.look(&left, image, &mut seen);
            }
        }
        seen
    }

    fn look(&self, left: &Left<'_>, image: u64, seen: &mut Seen) {
        let Left { disk, answers, call, folder } = *left;
        // With a step that has no divisor in common with their number every one comes up at every call.
        let loss = LOSSES[((image + self.seed) * 5 % LOSSES.len() as u64) as usize];
        let files = disk.image(loss, &mut Dice(self.seed ^ (image << 20)));
        lay(folder, &files);
        *seen.images.entry(loss).or_default() += 1;
        seen.distinct.insert(hash_of(&files));
        seen.answered += u64::from(answers.highest > 0);
        let durability = self.recording.load.durability;
        let promised = durability == Durability::Strict || loss == Loss::ProcessOnly;
        let least = if promised { answers.highest } else { 0 };
        let checked = self.reference.check(folder, durability, least).and_then(|held| {
            seen.rebuilt += u64::from(held.rebuilt);
            seen.shortened += u64::from(held.head < answers.highest);
            if !image.is_multiple_of(RESUMED) {
                return Ok(());
            }
            seen.resumed += 1;
            resume(folder, durability, &self.recording.sent, &answers.within(held.head))
        });
        if let Err(why) = checked {
            seen.failed += 1;
            let name = self.recording.load.name;
            let failure = format!("{name}, after call {call}, image {image}, {loss:?}: {why}");
            if self.recording.is_honest && seen.failures.is_empty() {
                println!("FAILED {failure}; what was left is kept in {}", kept(&files).display());
            }
            seen.failures.push(failure);
            seen.failures.truncate(SHOWN);
        }
    }
}

fn hash_of(files: &[(String, Vec<u8>)]) -> u64 {
    let mut hasher = DefaultHasher::new();
    files.iter().filter(|(name, _)| name != ANSWERS).for_each(|file| file.hash(&mut hasher));
    hasher.finish()
}
