//! Runs that are spread over the jobs of a CI pipeline: each job is a process of its own, on a machine of its own
//! (home, cache and working directory), and knows nothing but the repository.

mod beside;
mod cancelled;
mod gitlab;
mod jobs;
mod manual;
mod pictures;
mod records;
mod redundant;
mod retried;
mod rules;
mod shown;
