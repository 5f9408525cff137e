//! Buckets and parameters, against a real moto server; what it does not refuse, a door before it does.

mod access;
mod bad;
mod live;
mod packages;
mod parameters;
mod parts;
pub(crate) mod promoted;
mod promotion;
mod run;
mod schemas;

pub use promoted::from_int;
pub use run::{at, equip};

use datapin::config::{AwsAccess, Complete};
use datapin::data::{DataError, Package, Place, Shelf};

use crate::moto::Moto;

/// A server, or the end of the test where there is no Python.
macro_rules! moto {
    () => {
        match crate::moto::Moto::start() {
            Some(moto) => moto,
            None => return,
        }
    };
}
use moto;

fn place(bucket: &str, prefix: &str, complete: Complete) -> Place {
    Place { bucket: bucket.to_owned(), prefix: prefix.to_owned(), complete, access: AwsAccess::default() }
}

fn marker() -> Complete {
    Complete::Marker("_SUCCESS".to_owned())
}

/// What a look at a place says.
fn look(moto: &Moto, place: Place) -> Result<Package, DataError> {
    moto.wait(async { Shelf::open(&moto.aws(), place).await?.complete().await })
}

fn keys(package: &Package) -> Vec<&str> {
    package.objects.iter().map(|object| object.key.as_str()).collect()
}
