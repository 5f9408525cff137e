//! What a commit changes: pins forward, reverts back. Pure but for reading the files of one commit.

use super::files::{Files, FilesError};
use crate::config::Place;
use crate::queue::{EnvironmentPart, PinRecord, Role, SetValue, Setting, Value};
use crate::repo::Change;
use crate::values;

/// What one commit changes, and what it finds.
#[derive(Debug, Clone, Default)]
pub struct Planned {
    /// Changed files; empty if there is nothing to change.
    pub changes: Vec<Change>,
    /// By environment: the scalars of the plan, with what was there.
    pub pins: Vec<(String, Vec<PinRecord>)>,
    /// Those of them that are written.
    pub written: Vec<Written>,
}

/// One scalar that is written.
#[derive(Debug, Clone)]
pub struct Written {
    /// Environment.
    pub environment: String,
    /// Service.
    pub service: String,
    /// Where.
    pub place: Place,
    /// Text before; the same as after where only its spelling is made right.
    pub before: String,
    /// Text after.
    pub after: String,
}

/// What a stage writes into one environment.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Environment.
    pub environment: String,
    /// Every scalar and the value that it gets.
    pub values: Vec<(String, Place, Role, String)>,
}

impl Wanted {
    /// A version for every pin of the environment, and the values of `--set`.
    pub fn version(
        environment: &str,
        places: &[crate::config::ServicePlaces],
        version: &str,
        set: &[Setting],
    ) -> Self {
        let mut values = Vec::new();
        for service in places {
            for pin in &service.pins {
                values.push((service.service.clone(), pin.clone(), Role::Pin, version.to_owned()));
            }
            for place in &service.settable {
                let wanted = set.iter().find(|set| set.service == service.service && set.path == place.path);
                if let Some(wanted) = wanted {
                    values.push((
                        service.service.clone(),
                        place.clone(),
                        Role::Setting,
                        wanted.value.clone(),
                    ));
                }
            }
        }
        Self { environment: environment.to_owned(), values }
    }

    /// Every recorded value of a verified set that today's configuration still names; a pin that the set
    /// lacks gets the set's version, another path stays as it is.
    pub fn set(
        environment: &str,
        places: &[crate::config::ServicePlaces],
        set: &crate::queue::VerifiedSet,
    ) -> Self {
        let mut values = Vec::new();
        for service in places {
            for pin in &service.pins {
                let text = set.value(pin).map_or(&set.version, |value| &value.text);
                values.push((service.service.clone(), pin.clone(), Role::Pin, text.clone()));
            }
            for place in &service.settable {
                if let Some(value) = set.value(place) {
                    values.push((service.service.clone(), place.clone(), Role::Setting, value.text.clone()));
                }
            }
        }
        Self { environment: environment.to_owned(), values }
    }
}

/// Plans to write what is wanted into the files of one commit.
pub fn pin(files: &mut Files<'_>, wanted: &[Wanted]) -> Result<Planned, FilesError> {
    let mut planned = Planned::default();
    let mut edits = Vec::new();
    for one in wanted {
        let places: Vec<&Place> = one.values.iter().map(|(_, place, _, _)| place).collect();
        let scalars = files.scalars(&places)?;
        let mut records = Vec::with_capacity(scalars.len());
        for ((service, place, role, after), scalar) in one.values.iter().zip(scalars) {
            let right =
                scalar.text == *after && (*role == Role::Setting || scalar.kind == values::Kind::Text);
            if !right {
                edits.push((place.clone(), change(*role, after)));
                planned.written.push(Written {
                    environment: one.environment.clone(),
                    service: service.clone(),
                    place: place.clone(),
                    before: scalar.text.clone(),
                    after: after.clone(),
                });
            }
            records.push(PinRecord {
                service: service.clone(),
                place: place.clone(),
                role: *role,
                before: Value { text: scalar.text, source: scalar.source },
                after: after.clone(),
            });
        }
        planned.pins.push((one.environment.clone(), records));
    }
    planned.changes = files.edit(&edits)?;
    Ok(planned)
}

fn change(role: Role, text: &str) -> values::Change {
    match role {
        Role::Pin => values::Change::Text(text.to_owned()),
        Role::Setting => values::Change::Keep(text.to_owned()),
    }
}

/// What taking a run's pins back would do at one commit.
#[derive(Debug, Clone, Default)]
pub struct Back {
    /// Changed files; empty if there is nothing to take back.
    pub changes: Vec<Change>,
    /// Places whose value is somebody else's by now; they stay.
    pub superseded: Vec<(String, Place)>,
    /// Whether the commit undoes ours exactly, or goes to a set that was verified before.
    pub manner: Manner,
}

/// How a rollback reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manner {
    /// The values from before our commit.
    #[default]
    Revert,
    /// The last verified set, which was not what stood there before.
    Restore,
}

/// Plans to take back what the run wrote into these environments: only places that still hold its value.
pub fn back(files: &mut Files<'_>, parts: &[&EnvironmentPart]) -> Result<Back, FilesError> {
    let mut back = Back::default();
    let mut edits = Vec::new();
    for part in parts {
        let places: Vec<&Place> = part.pins.iter().map(|pin| &pin.place).collect();
        let scalars = files.scalars(&places)?;
        for (pin, scalar) in part.pins.iter().zip(scalars) {
            if scalar.text != pin.after {
                back.superseded.push((part.identity.name.clone(), pin.place.clone()));
                continue;
            }
            let goal = part.goal.as_ref().and_then(|goal| goal.value(&pin.place));
            match goal {
                Some(goal) if goal.text != pin.before.text => {
                    back.manner = Manner::Restore;
                    edits.push((pin.place.clone(), change(pin.role, &goal.text)));
                }
                _ if scalar.source != pin.before.source => {
                    edits.push((pin.place.clone(), values::Change::Source(pin.before.source.clone())));
                }
                _ => {}
            }
        }
    }
    back.changes = files.edit(&edits)?;
    Ok(back)
}

/// What an environment holds at one commit: every pin and every settable value.
pub fn held(
    files: &mut Files<'_>,
    places: &[crate::config::ServicePlaces],
) -> Result<Vec<SetValue>, FilesError> {
    let named: Vec<(&str, Role, &Place)> = places
        .iter()
        .flat_map(|service| {
            let pins = service.pins.iter().map(|place| (service.service.as_str(), Role::Pin, place));
            let set = service.settable.iter().map(|place| (service.service.as_str(), Role::Setting, place));
            pins.chain(set)
        })
        .collect();
    let wanted: Vec<&Place> = named.iter().map(|(_, _, place)| *place).collect();
    let scalars = files.scalars(&wanted)?;
    Ok(named
        .into_iter()
        .zip(scalars)
        .map(|((service, role, place), scalar)| SetValue {
            service: service.to_owned(),
            place: place.clone(),
            role,
            text: scalar.text,
        })
        .collect())
}
