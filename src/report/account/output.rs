//! What only the process that heard it knows: output, which no record keeps.

use super::{Account, Accounts, Step};

impl Accounts {
    /// The same with the output that `own` has of it.
    #[must_use]
    pub fn with_output_of(mut self, own: &Accounts) -> Self {
        for account in &mut self.runs {
            if let Some(own) = own.runs.iter().find(|own| own.run == account.run) {
                account.take_output(own);
            }
        }
        self
    }
}

impl Account {
    fn take_output(&mut self, own: &Account) {
        for (stage, own) in self.stages.iter_mut().zip(&own.stages) {
            for gate in &mut stage.gates {
                let same = own.gates.iter().find(|own| own.name == gate.name);
                same.into_iter().for_each(|own| gate.step.take_output(&own.step));
            }
        }
        let services = self.stages.iter_mut().flat_map(|stage| &mut stage.environments).flat_map(|one| {
            let environment = one.name.clone();
            one.services.iter_mut().map(move |service| (environment.clone(), service))
        });
        for (environment, service) in services {
            let place = own.environments().find(|own| own.name == environment);
            let same = place.and_then(|own| own.services.iter().find(|own| own.name == service.name));
            if let Some(own) = same {
                service.deploy.take_output(&own.deploy);
                service.rollback.take_output(&own.rollback);
            }
        }
    }
}

impl Step {
    fn take_output(&mut self, own: &Step) {
        if self.log.is_empty() {
            self.log.clone_from(&own.log);
        }
    }
}
