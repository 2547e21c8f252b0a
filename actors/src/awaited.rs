//! What an actor awaits, thousands at once.
//!
//! What `Context::spawn` is given is polled whenever anything reaches the actor, all of it each time. And tokio lets what is
//! polled in one go take 128 things; whatever else was there is put off until the thread looks at its timers, and what has
//! come by then goes first: with thousands, some wait for seconds. Here only that is polled which was woken, in that order, and
//! so much of it in one go as is said here.

use std::task::{Poll, Waker};

use actix::fut::ActorFuture;
use actix::prelude::*;
use futures::FutureExt;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use tokio::task::unconstrained;

/// How many ends an actor takes before its mailbox is looked at again, and others on its thread have their turn.
const AT_ONCE: usize = 1_024;

type Then<A> = Box<dyn FnOnce(&mut A, &mut Context<A>)>;

/// What an actor awaits; given up with it.
pub(crate) struct Awaited<A: Actor<Context = Context<A>>> {
    all: FuturesUnordered<LocalBoxFuture<'static, Then<A>>>,
    /// Has the actor look here.
    actor: Option<Waker>,
}

impl<A: Actor<Context = Context<A>>> Default for Awaited<A> {
    fn default() -> Self {
        Self { all: FuturesUnordered::new(), actor: None }
    }
}

impl<A: Actor<Context = Context<A>>> Awaited<A> {
    /// Awaits something, and does that with what it came to.
    pub(crate) fn push<O: 'static>(
        &mut self,
        awaited: impl Future<Output = O> + 'static,
        then: impl FnOnce(O, &mut A, &mut Context<A>) + 'static,
    ) {
        let told = awaited.map(|output| -> Then<A> { Box::new(move |actor, ctx| then(output, actor, ctx)) });
        self.all.push(unconstrained(told).boxed_local());
        if let Some(actor) = &self.actor {
            actor.wake_by_ref();
        }
    }
}

/// An actor that awaits much at once.
pub(crate) trait Awaits: Actor<Context = Context<Self>> {
    /// What it awaits.
    fn awaited(&mut self) -> &mut Awaited<Self>;

    /// To be said once, when it starts.
    fn begin_to_await(&mut self, ctx: &mut Context<Self>) {
        ctx.spawn(Look);
    }
}

/// Looks at what has come, for as long as the actor lives: one that only its last address kept goes on without it.
struct Look;

impl<A: Awaits> ActorFuture<A> for Look {
    type Output = ();

    fn poll(
        self: std::pin::Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut Context<A>,
        task: &mut std::task::Context<'_>,
    ) -> Poll<()> {
        for nth in 0..=AT_ONCE {
            if nth == AT_ONCE {
                task.waker().wake_by_ref();
                break;
            }
            let Poll::Ready(Some(then)) = actor.awaited().all.poll_next_unpin(task) else { break };
            then(actor, ctx);
        }
        let known = &mut actor.awaited().actor;
        if known.as_ref().is_none_or(|known| !known.will_wake(task.waker())) {
            *known = Some(task.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// Awaits numbers, and tells them once it has as many as it wants.
    struct Numbers {
        awaited: Awaited<Self>,
        came: Vec<usize>,
        wanted: usize,
        tell: Option<oneshot::Sender<Vec<usize>>>,
    }

    impl Actor for Numbers {
        type Context = Context<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            self.begin_to_await(ctx);
        }
    }

    impl Awaits for Numbers {
        fn awaited(&mut self) -> &mut Awaited<Self> {
            &mut self.awaited
        }
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Await(oneshot::Receiver<usize>);

    impl Handler<Await> for Numbers {
        type Result = ();
        fn handle(&mut self, Await(number): Await, _: &mut Self::Context) {
            self.awaited.push(number, |number, numbers, _| {
                let (later, newcomer) = oneshot::channel();
                let _ = later.send(usize::MAX);
                numbers.awaited.push(newcomer, |newcomer, numbers, _| numbers.came.extend(newcomer));
                numbers.came.extend(number);
                if numbers.came.len() >= numbers.wanted {
                    numbers.tell.take().map(|tell| tell.send(std::mem::take(&mut numbers.came)));
                }
            });
        }
    }

    /// Each that comes is followed by one that is there already: they do not go before those that came earlier.
    #[actix::test]
    async fn all_of_thousands_come_in_their_order() {
        const COUNT: usize = 5_000;
        let (tell, told) = oneshot::channel();
        let tell = Some(tell);
        let numbers = Numbers { awaited: Awaited::default(), came: Vec::new(), wanted: COUNT, tell }.start();
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..COUNT).map(|_| oneshot::channel()).unzip();
        for receiver in receivers {
            numbers.send(Await(receiver)).await.unwrap();
        }
        senders.into_iter().enumerate().for_each(|(number, sender)| sender.send(number).unwrap());
        assert_eq!(told.await.unwrap(), (0..COUNT).collect::<Vec<_>>());
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Stop;

    impl Handler<Stop> for Numbers {
        type Result = ();
        fn handle(&mut self, Stop: Stop, ctx: &mut Self::Context) {
            ctx.stop();
        }
    }

    #[actix::test]
    async fn what_is_awaited_is_given_up_with_the_actor() {
        let numbers = Numbers { awaited: Awaited::default(), came: Vec::new(), wanted: 1, tell: None }.start();
        let (mut sender, receiver) = oneshot::channel::<usize>();
        numbers.send(Await(receiver)).await.unwrap();
        assert!(!sender.is_closed());
        numbers.send(Stop).await.unwrap();
        sender.closed().await;
    }
}
