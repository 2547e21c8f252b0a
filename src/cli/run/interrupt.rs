//! Ctrl-C, and SIGTERM as service managers send it: the first asks to finish what is under way, the second ends the
//! process at once.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use futures::future::{Either, select};
use tokio::sync::mpsc;

use super::signal::Signal;

/// Tells when somebody has asked to stop.
pub(super) struct Interrupt {
    receiver: mpsc::Receiver<()>,
    asked: bool,
}

/// The exit code of an interrupted command, as shells have it.
const INTERRUPTED: i32 = 130;

impl Interrupt {
    /// Listens from now on, on a thread of its own: the runtime's threads have other work.
    pub(super) fn listen() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        std::thread::Builder::new().name("regie-interrupt".into()).spawn(move || {
            runtime.block_on(async move {
                let mut asked = false;
                let mut terminate = Signal::terminate();
                loop {
                    let (control_c, terminated) = (tokio::signal::ctrl_c(), terminate.wait());
                    if matches!(select(pin!(control_c), pin!(terminated)).await, Either::Left((Err(_), _))) {
                        return; // nothing can be listened to
                    }
                    if asked {
                        std::process::exit(INTERRUPTED);
                    }
                    asked = true;
                    // Nobody listens any more once the run is over.
                    let _ = sender.try_send(());
                }
            });
        })?;
        Ok(Self { receiver, asked: false })
    }

    /// Whether somebody has asked; wakes the caller when somebody does.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // A channel whose listener has gone says nothing more.
        if !self.asked && matches!(self.receiver.poll_recv(context), Poll::Ready(Some(()))) {
            self.asked = true;
        }
        if self.asked { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether somebody has asked.
    pub(super) fn is_asked(&mut self) -> bool {
        self.asked = self.asked || self.receiver.try_recv().is_ok();
        self.asked
    }
}
