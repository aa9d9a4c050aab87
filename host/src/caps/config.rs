//! `wasi:config/store`: the values that a plugin's manifest has, with the operator's in their places.

use super::budget::Budget;
use crate::wit::wasi::config::store as wit;
use std::collections::BTreeMap;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

/// Under which names languages and their libraries import it: the drafts do not differ.
pub const INTERFACES: [&str; 3] =
    ["wasi:config/store@0.2.0-rc.1", "wasi:config/store@0.2.0-draft", "wasi:config/store@0.2.0-draft-2024-09-27"];

/// What a binding is told.
#[derive(Debug)]
pub struct ConfigCap {
    values: BTreeMap<String, String>,
}

impl ConfigCap {
    /// What a binding is told; none when that is nothing.
    #[must_use]
    pub fn new(values: &BTreeMap<String, String>) -> Option<Self> {
        (!values.is_empty()).then(|| Self { values: values.clone() })
    }
}

/// One call's view.
pub struct ConfigView<'a> {
    /// What the binding is told.
    pub cap: Option<&'a ConfigCap>,
    /// What the call may still take.
    pub budget: &'a mut Budget,
}

impl ConfigView<'_> {
    fn get(&mut self, key: &str) -> wasmtime::Result<Option<String>> {
        self.budget.charge_host_call()?;
        Ok(self.cap.and_then(|cap| cap.values.get(key)).cloned())
    }

    fn get_all(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        self.budget.charge_host_call()?;
        let values = self.cap.iter().flat_map(|cap| &cap.values);
        Ok(values.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

type Answer<T> = (Result<T, wit::Error>,);

/// Links the interface, under all of its names.
pub fn link<T: 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> ConfigView<'_>) -> wasmtime::Result<()> {
    for interface in INTERFACES {
        let mut instance = linker.instance(interface)?;
        instance.func_wrap("get", move |mut store: StoreContextMut<'_, T>, (key,): (String,)| -> wasmtime::Result<Answer<_>> {
            Ok((Ok(view(store.data_mut()).get(&key)?),))
        })?;
        instance.func_wrap("get-all", move |mut store: StoreContextMut<'_, T>, (): ()| -> wasmtime::Result<Answer<_>> {
            Ok((Ok(view(store.data_mut()).get_all()?),))
        })?;
    }
    Ok(())
}
