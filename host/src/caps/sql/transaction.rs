//! The transactions of one call. A guest holds numbers; what they stand for is here, and is rolled back when the call ends.

use super::SqlView;
use super::database::SqlTransaction;
use super::model::SqlError;
use crate::wit::TransactionHandle;
use crate::wit::cofferdam::mcp::sql as wit;
use std::collections::BTreeMap;
use wasmtime::component::Resource;

/// What a call has open.
#[derive(Default)]
pub struct Transactions {
    last: u32,
    open: BTreeMap<u32, (String, SqlTransaction)>,
}

impl Transactions {
    fn add(&mut self, database: String, transaction: SqlTransaction) -> TransactionHandle {
        self.last = self.last.wrapping_add(1);
        self.open.insert(self.last, (database, transaction));
        TransactionHandle(self.last)
    }

    fn has(&self, database: &str) -> bool {
        self.open.values().any(|(other, _)| other == database)
    }
}

impl SqlView<'_> {
    pub(super) async fn begin_transaction(
        &mut self,
        database: String,
    ) -> wasmtime::Result<Result<Resource<TransactionHandle>, wit::Error>> {
        self.budget.charge_host_call()?;
        let deadline = self.budget.deadline;
        let granted = match self.database(&database) {
            Ok(_) if self.transactions.has(&database) => {
                Err(SqlError::Invalid("this call has a transaction open on the database already".to_owned()))
            }
            granted => granted,
        };
        let begun = match granted {
            Ok(granted) => granted.begin(deadline).await,
            Err(error) => Err(error),
        };
        match begun {
            Ok(transaction) => {
                let handle = self.transactions.add(database, transaction);
                Ok(Ok(self.table.push(handle)?))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn transaction(&self, handle: &Resource<TransactionHandle>) -> wasmtime::Result<Result<&SqlTransaction, SqlError>> {
        let TransactionHandle(number) = self.table.get(handle)?;
        Ok(self.transactions.open.get(number).map(|(_, transaction)| transaction).ok_or_else(over))
    }

    async fn end(&mut self, handle: &Resource<TransactionHandle>, keep: bool) -> wasmtime::Result<Result<(), wit::Error>> {
        self.budget.charge_host_call()?;
        let TransactionHandle(number) = self.table.get(handle)?;
        Ok(match self.transactions.open.remove(number) {
            Some((_, transaction)) => transaction.end(keep).await.map_err(Into::into),
            None => Err(over().into()),
        })
    }
}

impl wit::HostTransaction for SqlView<'_> {
    async fn query(
        &mut self,
        handle: Resource<TransactionHandle>,
        statement: String,
        parameters: String,
        options: wit::QueryOptions,
    ) -> wasmtime::Result<Result<wit::ResultSet, wit::Error>> {
        self.budget.charge_host_call()?;
        let result = match self.transaction(&handle)? {
            Ok(transaction) => transaction.query(statement, parameters, options.into()).await,
            Err(error) => Err(error),
        };
        Ok(result.map(Into::into).map_err(Into::into))
    }

    async fn execute(
        &mut self,
        handle: Resource<TransactionHandle>,
        statement: String,
        parameters: String,
    ) -> wasmtime::Result<Result<wit::Changes, wit::Error>> {
        self.budget.charge_host_call()?;
        let result = match self.transaction(&handle)? {
            Ok(transaction) => transaction.execute(statement, parameters).await,
            Err(error) => Err(error),
        };
        Ok(result.map(Into::into).map_err(Into::into))
    }

    async fn commit(&mut self, handle: Resource<TransactionHandle>) -> wasmtime::Result<Result<(), wit::Error>> {
        self.end(&handle, true).await
    }

    async fn rollback(&mut self, handle: Resource<TransactionHandle>) -> wasmtime::Result<Result<(), wit::Error>> {
        self.end(&handle, false).await
    }

    /// What was not committed is undone.
    fn drop(&mut self, handle: Resource<TransactionHandle>) -> wasmtime::Result<()> {
        let TransactionHandle(number) = self.table.delete(handle)?;
        self.transactions.open.remove(&number);
        Ok(())
    }
}

fn over() -> SqlError {
    SqlError::Invalid("the transaction is over".to_owned())
}
