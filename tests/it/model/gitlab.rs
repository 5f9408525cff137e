//! The CI pipeline that a run is spread over: which job may begin, and what GitLab says of it.

use datapin::queue::Word;

use super::act::{Act, Protocol};
use super::setup::{Role, Task};
use super::world::{Pc, World};

impl Protocol {
    /// What a job is for; `None`: the process is no job of the pipeline.
    pub fn task(&self, bot: usize) -> Option<Task> {
        match self.setup.bots[bot] {
            Role::Step(_, task) => Some(task),
            Role::Run(_) | Role::Stranger(_) | Role::Reconcile | Role::LastReconcile => None,
        }
    }

    /// Whether a key is the one of the spread run.
    pub fn is_spread(&self, key: &str) -> bool {
        let is = |role: &Role| matches!(role, Role::Step(job, _) if self.setup.jobs[*job].key == key);
        self.setup.bots.iter().any(is)
    }

    fn steps(&self) -> impl Iterator<Item = (usize, Task)> {
        (0..self.setup.bots.len()).filter_map(|bot| Some((bot, self.task(bot)?)))
    }

    /// Whether GitLab calls a job finished.
    pub fn is_over(&self, world: &World, bot: usize) -> bool {
        world.bots[bot].is_over() || world.written_off.contains(&bot)
    }

    /// Whether it runs, by GitLab's word.
    fn runs(&self, world: &World, bot: usize) -> bool {
        world.bots[bot] != Pc::Due && !self.is_over(world, bot)
    }

    /// The same task, begun before: this one is its retry.
    fn retries(&self, bot: usize) -> Option<usize> {
        self.steps()
            .take_while(|(at, _)| *at < bot)
            .filter(|(_, task)| self.task(bot) == Some(*task))
            .last()
            .map(|(at, _)| at)
    }

    fn is_green(&self, world: &World, wanted: impl Fn(Task) -> bool) -> bool {
        self.steps().any(|(bot, task)| wanted(task) && world.bots[bot] == Pc::Done)
    }

    /// Whether GitLab starts a job now. A retry is somebody's wish, also in a cancelled pipeline.
    pub fn may_begin(&self, world: &World, bot: usize) -> bool {
        let Some(task) = self.task(bot).filter(|_| world.bots[bot] == Pc::Due) else { return false };
        let first = self.retries(bot);
        let asked = match first {
            Some(first) => world.bots[first] != Pc::Due && self.is_over(world, first),
            None => !world.cancelled,
        };
        asked && self.has_needs(world, task)
    }

    fn has_needs(&self, world: &World, task: Task) -> bool {
        let is_deploy = |task: &Task| matches!(task, Task::Deploy(_));
        match task {
            Task::Enter => true,
            Task::Deploy(_) => self.is_green(world, |task| task == Task::Enter),
            Task::Gate => self
                .steps()
                .map(|(_, task)| task)
                .filter(is_deploy)
                .all(|deploy| self.is_green(world, |task| task == deploy)),
            Task::Record => self.is_green(world, |task| task == Task::Gate),
            Task::Rollback(_) => {
                let forward = |task| !matches!(task, Task::Rollback(_) | Task::Finish);
                let failed =
                    |(bot, task)| forward(task) && self.is_over(world, bot) && world.bots[bot] != Pc::Done;
                self.steps().any(failed) && self.is_still(world, forward)
            }
            Task::Finish => self.is_still(world, |task| task != Task::Finish),
        }
    }

    /// Whether none of these jobs runs, and GitLab starts none of them by itself.
    fn is_still(&self, world: &World, of: impl Fn(Task) -> bool) -> bool {
        let comes = |bot: usize| self.retries(bot).is_none() && self.may_begin(world, bot);
        !self.steps().any(|(bot, task)| of(task) && (self.runs(world, bot) || comes(bot)))
    }

    /// Whether the pipeline is over, by GitLab's word.
    pub fn pipeline_is_over(&self, world: &World) -> bool {
        self.is_still(world, |_| true)
    }

    pub fn word(&self, world: &World) -> Word {
        match self.pipeline_is_over(world) {
            true => Word::Finished(String::new()),
            false => Word::Alive,
        }
    }

    pub fn pipeline_mishaps(&self, world: &World, acts: &mut Vec<Act>) {
        let running = || self.steps().map(|(bot, _)| bot).filter(|bot| self.runs(world, *bot));
        if world.left.pipelines > 0 && running().next().is_some() {
            acts.push(Act::CancelPipeline);
        }
        if world.left.suspicions > 0 {
            acts.extend(running().map(Act::WriteOff));
        }
        if world.left.resets > 0 && world.queue.tickets.is_empty() && world.queue.next > 1 {
            acts.push(Act::Reset);
        }
    }

    pub fn cancel_pipeline(&self, world: &mut World) {
        world.left.pipelines -= 1;
        world.cancelled = true;
        let running: Vec<usize> =
            self.steps().map(|(bot, _)| bot).filter(|bot| self.runs(world, *bot)).collect();
        world.written_off.extend(running);
        self.meet("a pipeline is cancelled");
    }

    pub fn write_off(&self, world: &mut World, bot: usize) {
        world.left.suspicions -= 1;
        world.written_off.insert(bot);
        self.meet("a job is written off");
    }

    pub fn reset(&self, world: &mut World) {
        world.left.resets -= 1;
        let reset = self.write(world, |queue| {
            queue.next = 1;
            Ok(())
        });
        reset.expect("nobody is asked");
    }

    /// Nobody cares how a job ended that was written off.
    pub fn forget_jobs(&self, world: &mut World) {
        let bots = &mut world.bots;
        world.written_off.retain(|bot| {
            let ended = bots[*bot].is_over();
            if ended {
                bots[*bot] = Pc::Dead;
            }
            !ended
        });
    }
}

impl Pc {
    /// Whether nothing more comes of it.
    pub fn is_over(&self) -> bool {
        match self {
            Pc::Done | Pc::Red | Pc::Dead => true,
            Pc::Enter | Pc::Wait { .. } | Pc::Take { .. } | Pc::Drive(_) => false,
            Pc::Idle | Pc::Due | Pc::Turn { .. } | Pc::Watch { .. } => false,
        }
    }
}
