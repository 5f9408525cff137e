//! The time line of a run: a bar for everything that took its time.

use jiff::Timestamp;
use serde::Serialize;

use super::{Shade, line};
use crate::report::account::{Account, Step};
use crate::report::words;

/// Parts of a hundred that the shortest bar takes, so that it is seen.
const SHORTEST: f64 = 0.4;

/// Bars that belong together.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    title: String,
    bars: Vec<Bar>,
}

#[derive(Debug, Serialize)]
struct Bar {
    label: String,
    shade: Shade,
    word: &'static str,
    /// Parts of a hundred.
    left: String,
    width: String,
    took: String,
}

/// The span that the bars are drawn in.
struct Scale {
    from: Timestamp,
    millis: f64,
}

impl Scale {
    fn share(&self, from: Timestamp, to: Timestamp) -> f64 {
        let millis = (to.as_millisecond() - from.as_millisecond()).max(0);
        #[expect(clippy::cast_precision_loss, reason = "a run is shorter than 285,000 years")]
        let millis = millis as f64;
        (100.0 * millis / self.millis).min(100.0)
    }

    fn bar(&self, label: &str, shade: Shade, (from, to): (Timestamp, Timestamp)) -> Bar {
        let left = self.share(self.from, from).min(100.0 - SHORTEST);
        let width = self.share(from, to).clamp(SHORTEST, 100.0 - left);
        Bar {
            label: line(label),
            shade,
            word: shade.word(),
            left: format!("{left:.2}"),
            width: format!("{width:.2}"),
            took: words::between(from, to),
        }
    }

    fn step(&self, label: &str, step: &Step, account: &Account) -> Option<Bar> {
        let from = step.began?;
        Some(self.bar(label, Shade::of(step, account), (from, step.ended.unwrap_or(account.last))))
    }
}

/// The bars of a run, in the order in which things are done. Empty where nothing took any time.
pub(super) fn groups(account: &Account) -> Vec<Group> {
    let millis = account.last.as_millisecond() - account.first.as_millisecond();
    #[expect(clippy::cast_precision_loss, reason = "a run is shorter than 285,000 years")]
    let scale = Scale { from: account.first, millis: millis.max(1) as f64 };
    let mut groups = vec![wait(account, &scale)];
    for stage in &account.stages {
        let services = stage.environments.iter().flat_map(|environment| {
            environment.services.iter().filter_map(|service| {
                scale.step(&format!("{}/{}", environment.name, service.name), &service.deploy, account)
            })
        });
        let title = format!("Deploy {}", line(&stage.names()));
        groups.push(Group { title, bars: services.collect() });
        let gates = stage.gates.iter().filter_map(|gate| scale.step(&gate.name, &gate.step, account));
        groups.push(Group { title: format!("Gates {}", line(&stage.names())), bars: gates.collect() });
    }
    groups.push(back(account, &scale));
    groups.retain(|group| !group.bars.is_empty());
    groups
}

fn wait(account: &Account, scale: &Scale) -> Group {
    let until = account.started.unwrap_or(account.last);
    let shade = if account.started.is_some() { Shade::Good } else { Shade::Skip };
    let bar = scale.bar("wait for turn", shade, (account.first, until));
    Group { title: "Wait".to_owned(), bars: vec![bar] }
}

fn back(account: &Account, scale: &Scale) -> Group {
    let environments = account.stages.iter().rev().flat_map(|stage| &stage.environments);
    let services = environments.flat_map(|environment| {
        environment.services.iter().filter_map(|service| {
            scale.step(&format!("{}/{}", environment.name, service.name), &service.rollback, account)
        })
    });
    Group { title: "Rollback".to_owned(), bars: services.collect() }
}
