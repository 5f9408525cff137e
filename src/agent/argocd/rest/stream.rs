//! The stream of an Application's changes; while it is cut, the Application is asked for instead.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::RestError;
use super::client::Client;

/// Pause before a cut stream is opened again, at first and at most.
const FIRST: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(15);
/// Bytes of one change.
const LINE: usize = 16 * 1024 * 1024;

/// What the stream told last.
#[derive(Debug, Clone, Default)]
struct State {
    /// The Application; `None` while there is no stream that keeps it up to date.
    latest: Option<Arc<Value>>,
    notice: Option<String>,
}

/// A stream that is read for as long as somebody has this.
#[derive(Debug)]
pub struct Stream {
    state: watch::Receiver<State>,
    told: Option<String>,
    task: AbortHandle,
}

impl Stream {
    /// Begins to read `path`.
    pub fn begin(client: Client, path: String) -> Self {
        let (to, state) = watch::channel(State::default());
        let task = tokio::spawn(follow(client, path, to)).abort_handle();
        Self { state, told: None, task }
    }

    /// The Application as the stream told it, if the stream runs.
    pub fn latest(&mut self) -> Option<Arc<Value>> {
        self.state.borrow_and_update().latest.clone()
    }

    /// Returns when the stream told something new, or was cut.
    pub async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Why there is no stream; given once for each reason.
    pub fn take_notice(&mut self) -> Option<String> {
        let notice = self.state.borrow().notice.clone()?;
        if self.told.as_ref() == Some(&notice) {
            return None;
        }
        self.told = Some(notice.clone());
        Some(notice)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(client: Client, path: String, to: watch::Sender<State>) {
    let mut pause = FIRST;
    loop {
        match read(&client, &path, &to).await {
            // proxies cut streams after a while: that is no news
            Ok(()) => pause = FIRST,
            Err(error) => {
                let notice =
                    format!("its changes cannot be followed, so it is asked again and again: {error}");
                let lasting = matches!(error, RestError::Denied { .. } | RestError::Refused { .. });
                to.send_modify(|state| state.notice = lasting.then_some(notice));
            }
        }
        to.send_modify(|state| state.latest = None);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MOST);
    }
}

/// Reads one stream to its end: one change a line.
async fn read(client: &Client, path: &str, to: &watch::Sender<State>) -> Result<(), RestError> {
    let mut response = client.open(path, "follow the changes of an Application").await?;
    let mut buffer: Vec<u8> = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            if !publish(&line, to) {
                return Ok(());
            }
        }
        if buffer.len() > LINE {
            return Ok(());
        }
    }
    Ok(())
}

/// Publishes a change; `false` for one after which the stream is over.
fn publish(line: &[u8], to: &watch::Sender<State>) -> bool {
    let line = line.strip_prefix(b"data:").unwrap_or(line);
    let Ok(mut change) = serde_json::from_slice::<Value>(line) else { return true };
    if change.get("error").is_some() {
        return false;
    }
    let result = &mut change["result"];
    let deleted = result["type"] == "DELETED";
    let object = result["application"].take();
    if object.is_object() {
        let latest = (!deleted).then(|| Arc::new(object));
        to.send_modify(|state| *state = State { latest, notice: None });
    }
    !deleted
}
