//! Helpers: what was seen, and subscribers made of closures.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use regie::bus::{Delivery, HandleError, Subscription};
use regie::{Handle, core::event::Event};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The ids of so many deliveries.
pub(crate) async fn ids(subscription: &mut Subscription, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(subscription.next().await.unwrap().unwrap().event().id.clone());
    }
    ids
}

/// Submits events of a type and correlation with these ids, one after another.
pub(crate) async fn submit(handle: &Handle, kind: &str, correlation: &str, ids: impl IntoIterator<Item = String>) {
    for id in ids {
        let event = Event::new(kind, correlation).id(id).build().unwrap();
        drop(handle.enqueue(event).await.unwrap().await.unwrap());
    }
}

/// `e-1`, `e-2` and so on.
pub(crate) fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|nth| format!("e-{nth}")).collect()
}

/// What a subscriber was given, as a test sees it.
pub(crate) struct Seen(Receiver<String>);

/// Where a subscriber tells what it was given.
#[derive(Clone)]
pub(crate) struct Tells(Sender<String>);

pub(crate) fn seen() -> (Tells, Seen) {
    let (tells, seen) = channel();
    (Tells(tells), Seen(seen))
}

impl Tells {
    pub(crate) fn tell(&self, delivery: &Delivery) {
        drop(self.0.send(delivery.event().id.clone()));
    }
}

impl Seen {
    pub(crate) fn next(&self) -> String {
        self.0.recv_timeout(PATIENCE).expect("nothing came")
    }

    /// The next one, while something is done again and again.
    pub(crate) fn next_while(self, act: impl Fn()) -> (Self, String) {
        for _ in 0..PATIENCE.as_millis() {
            match self.0.recv_timeout(Duration::from_millis(1)) {
                Ok(next) => return (self, next),
                Err(_) => act(),
            }
        }
        panic!("nothing came")
    }

    pub(crate) fn take(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.next()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.try_recv().is_err()
    }
}

/// What a handler comes to.
pub(crate) type Done = Result<(), HandleError>;

/// A subscriber that tells what it is given, and does what a function of it says.
pub(crate) fn does(
    tells: &Tells,
    act: impl Fn(&Delivery) -> Done + Send + Sync + 'static,
) -> impl Fn(Arc<Delivery>) -> std::future::Ready<Done> + Send + Sync + 'static {
    let tells = tells.clone();
    move |delivery| {
        tells.tell(&delivery);
        std::future::ready(act(&delivery))
    }
}

/// A subscriber that tells what it is given, and takes it.
pub(crate) fn takes(tells: &Tells) -> impl Fn(Arc<Delivery>) -> std::future::Ready<Done> + Send + Sync + 'static {
    does(tells, |_| Ok(()))
}
