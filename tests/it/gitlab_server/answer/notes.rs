//! Notes on merge requests.

use serde_json::{Value, json};

use super::{Call, bad, not_found, page, user_json};
use crate::gitlab_server::state::{Note, State};
use crate::gitlab_server::wire::Answer;

pub fn answer(state: &mut State, call: &Call<'_>) -> Answer {
    let iid = call.parts[0].parse().unwrap_or(0);
    let new_id = state.next_id();
    let Some(request) = state.project(call.project).request(iid) else { return not_found() };
    let body = call.request.text("body").unwrap_or_default().trim_end().to_owned();
    let at = call.parts.get(1).map(|id| request.notes.iter().position(|note| note.id.to_string() == *id));
    let note = match (call.request.method.as_str(), at) {
        ("GET", _) => {
            let all = request.notes.clone();
            let all = all.iter().map(|note| note_json(state, note)).collect();
            return page(call, all);
        }
        ("POST", _) if body.is_empty() => return bad("Note {:note=>[\"can't be blank\"]}"),
        ("POST", _) => {
            request.notes.push(Note { id: new_id, author: call.user.clone(), body });
            request.notes.last().unwrap().clone()
        }
        (_, Some(None) | None) => return not_found(),
        (_, Some(Some(at))) if request.notes[at].author != call.user => {
            return Answer::json(403, &json!({ "message": "403 Forbidden" }));
        }
        ("DELETE", Some(Some(at))) => {
            request.notes.remove(at);
            return Answer { status: 204, ..Answer::text(204, "") };
        }
        (_, Some(Some(at))) => {
            request.notes[at].body = body;
            request.notes[at].clone()
        }
    };
    let status = if call.request.method == "POST" { 201 } else { 200 };
    let value = note_json(state, &note);
    Answer::json(status, &value)
}

fn note_json(state: &mut State, note: &Note) -> Value {
    json!({ "id": note.id, "body": note.body, "system": false, "author": user_json(state, &note.author) })
}
