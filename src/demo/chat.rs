//! The demo's chat: takes what a Rocket.Chat webhook takes, and writes it to `chat.log`.

use std::io::{Result, Write};
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::state::write_whole;
use crate::exit::Exit;

/// Longest message that is taken.
const LONGEST: usize = 64 * 1024;

/// Serves until it is killed.
pub async fn serve(dir: &Path) -> Result<Exit> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hooks/demo/demo", listener.local_addr()?);
    write_whole(&dir.join("chat.url"), url.as_bytes())?;
    loop {
        let (stream, _) = listener.accept().await?;
        // One broken request ends nothing but itself.
        if let Err(error) = take(dir, stream).await {
            tracing::debug!(%error, "a request to the chat failed");
        }
    }
}

async fn take(dir: &Path, mut stream: TcpStream) -> Result<()> {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    let mut length = 0;
    loop {
        let mut line = String::new();
        read.read_line(&mut line).await?;
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0).min(LONGEST);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body).await?;
    let said: serde_json::Value = serde_json::from_slice(&body)?;
    let mut log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("chat.log"))?;
    log.write_all(words(&said).as_bytes())?;
    let answer = r#"{"success":true}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    );
    write.write_all(format!("{head}{answer}").as_bytes()).await
}

fn words(said: &serde_json::Value) -> String {
    let mut lines = vec![said["text"].as_str().unwrap_or_default().to_owned()];
    for attachment in said["attachments"].as_array().into_iter().flatten() {
        for part in ["title", "text"] {
            lines.extend(attachment[part].as_str().map(|text| format!("  {text}")));
        }
        for field in attachment["fields"].as_array().into_iter().flatten() {
            let word = |key: &str| field[key].as_str().unwrap_or_default().replace('\n', "; ");
            lines.push(format!("  {}: {}", word("title"), word("value")));
        }
    }
    lines.iter().filter(|line| !line.trim().is_empty()).map(|line| format!("{line}\n")).collect()
}
