//! Notes on merge requests: one of each kind, updated in place.

use gitlab::api::common::SortOrder;
use gitlab::api::projects::merge_requests::notes;
use serde::Deserialize;

use super::ask::Ask;
use super::merge_requests::{Author, MergeRequests};
use super::{GitLab, GitLabError};

/// Most notes that are looked through.
const MOST: usize = 2000;
/// Longest note that GitLab takes, in characters.
const LONGEST: usize = 1_000_000;

/// A note of this program's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Id.
    pub id: u64,
    /// What was done.
    pub done: Noted,
}

/// What was done to a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// It is new.
    Created,
    /// It has another text now.
    Updated,
    /// It said the same already.
    Unchanged,
}

#[derive(Debug, Clone, Deserialize)]
struct Found {
    id: u64,
    body: String,
    author: Author,
    #[serde(default)]
    system: bool,
}

/// The comment by which a note is found again; it is not shown.
pub fn marker(name: &str) -> String {
    let mut kept = String::with_capacity(name.len());
    for c in name.chars().filter(|c| c.is_ascii_alphanumeric() || "._:/-".contains(*c)) {
        // two hyphens end an HTML comment; names that differ in them alone stay different
        if c == '-' && kept.ends_with('-') {
            kept.push(':');
        }
        kept.push(c);
    }
    format!("<!-- datapin:{kept} -->")
}

impl MergeRequests<'_> {
    /// Makes the note named `name`, or gives it another text. Only notes of the token's own user count.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn upsert_note(&self, iid: u64, name: &str, body: &str) -> Result<Note, GitLabError> {
        let me = self.gitlab().user().await?.id;
        let marker = marker(name);
        let text: String = format!("{marker}\n{body}").chars().take(LONGEST).collect();
        if let Some(found) = self.own_notes(iid, me, &marker).await?.into_iter().next() {
            return self.update_note(iid, found, &text).await;
        }
        let id = self.create_note(iid, &text).await?;
        // another job may have made one at the same time: the older one stays
        let all = self.own_notes(iid, me, &marker).await?;
        match all.into_iter().next() {
            Some(oldest) if oldest.id < id => {
                self.delete_note(iid, id).await?;
                self.update_note(iid, oldest, &text).await
            }
            Some(_) | None => Ok(Note { id, done: Noted::Created }),
        }
    }

    /// Own notes with the marker, oldest first.
    async fn own_notes(&self, iid: u64, me: u64, marker: &str) -> Result<Vec<Found>, GitLabError> {
        let ask = Ask::read(format!("read the notes of merge request !{iid} of {}", self.gitlab().project()));
        let endpoint = notes::MergeRequestNotes::builder()
            .project(self.gitlab().project())
            .merge_request(iid)
            .order_by(notes::NoteOrderBy::CreatedAt)
            .sort(SortOrder::Ascending)
            .build();
        let mut found: Vec<Found> = self.gitlab().list(&ask, endpoint, MOST).await?;
        found.retain(|note| !note.system && note.author.id == me && note.body.contains(marker));
        found.sort_by_key(|note| note.id);
        Ok(found)
    }

    async fn create_note(&self, iid: u64, text: &str) -> Result<u64, GitLabError> {
        let ask = Ask::write(format!("comment on merge request !{iid} of {}", self.gitlab().project()));
        let endpoint = notes::CreateMergeRequestNote::builder()
            .project(self.gitlab().project())
            .merge_request(iid)
            .body(text)
            .build();
        let made: Found = self.gitlab().ask(&ask, endpoint).await?;
        Ok(made.id)
    }

    async fn update_note(&self, iid: u64, found: Found, text: &str) -> Result<Note, GitLabError> {
        // GitLab takes blanks off the end
        if found.body.trim_end() == text.trim_end() {
            return Ok(Note { id: found.id, done: Noted::Unchanged });
        }
        let ask =
            Ask::write(format!("change the note on merge request !{iid} of {}", self.gitlab().project()));
        let endpoint = notes::EditMergeRequestNote::builder()
            .project(self.gitlab().project())
            .merge_request(iid)
            .note(found.id)
            .body(text)
            .build();
        let changed: Found = self.gitlab().ask(&ask, endpoint).await?;
        Ok(Note { id: changed.id, done: Noted::Updated })
    }

    async fn delete_note(&self, iid: u64, note: u64) -> Result<(), GitLabError> {
        let gitlab: &GitLab = self.gitlab();
        let ask = Ask::write(format!("delete a second note on merge request !{iid} of {}", gitlab.project()));
        gitlab.delete(&ask, format!("merge_requests/{iid}/notes/{note}")).await
    }
}
