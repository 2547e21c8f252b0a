//! A signal of the system, where there is such a thing.

#[cfg(unix)]
use tokio::signal::unix::{self, SignalKind};

/// One kind of signal, listened to from now on. Where there are none, it never comes.
pub(super) struct Signal {
    #[cfg(unix)]
    comes: Option<unix::Signal>,
}

impl Signal {
    /// SIGHUP: read the policies anew.
    pub(super) fn hang_up() -> Self {
        Self {
            #[cfg(unix)]
            comes: unix::signal(SignalKind::hangup()).ok(),
        }
    }

    /// SIGTERM: end in good order.
    pub(super) fn terminate() -> Self {
        Self {
            #[cfg(unix)]
            comes: unix::signal(SignalKind::terminate()).ok(),
        }
    }

    /// Comes back once it has come.
    pub(super) async fn wait(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.comes
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
