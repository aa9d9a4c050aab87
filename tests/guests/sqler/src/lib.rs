//! Runs transactions, and ends them in every way that there is.

#[cofferdam_plugin::plugin]
mod sqler {
    use cofferdam_plugin::prelude::*;
    use cofferdam_plugin::sql::{self, Transaction};

    #[derive(Deserialize, JsonSchema)]
    struct Script {
        /// Statements; those that begin with `select` return rows
        steps: Vec<String>,
        end: End,
    }

    /// How it ends
    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum End {
        Commit,
        Rollback,
        Drop,
        Trap,
        Spin,
    }

    #[derive(Serialize, JsonSchema)]
    struct Report {
        /// What each step said
        steps: Vec<String>,
        end: String,
    }

    fn step(transaction: &Transaction, statement: &str) -> String {
        let said = if statement.to_lowercase().starts_with("select") {
            transaction.query(statement, ()).map(|set| set.rows_json().to_owned())
        } else {
            transaction.execute(statement, ()).map(|changes| changes.rows_affected.to_string())
        };
        said.unwrap_or_else(|error| error.to_string())
    }

    fn said<T>(ended: Result<T, sql::Error>) -> String {
        ended.map_or_else(|error| error.to_string(), |_| "done".to_owned())
    }

    /// Runs statements in a transaction
    #[update]
    fn run(input: Script) -> Result<Json<Report>> {
        let transaction = sql::database("main").begin()?;
        let steps = input.steps.iter().map(|statement| step(&transaction, statement)).collect();
        let end = match input.end {
            End::Commit => said(transaction.commit()),
            End::Rollback => said(transaction.rollback()),
            End::Drop => {
                drop(transaction);
                // Still within the call.
                let found = sql::database("main").query("SELECT count(*) FROM t", ())?.one::<i64>()?;
                format!("{found} rows after the drop")
            }
            End::Trap => panic!("on purpose"),
            End::Spin => loop {
                core::hint::black_box(0);
            },
        };
        Ok(Json(Report { steps, end }))
    }

    /// Begins two transactions at once
    #[update]
    fn two() -> Result<String> {
        let database = sql::database("main");
        let first = database.begin()?;
        let second = said(database.begin());
        first.rollback()?;
        Ok(format!("{second}; after the first: {}", said(database.begin())))
    }

    /// Commits what a closure did, and undoes what another one failed at
    #[update]
    fn closures() -> Result<String> {
        let database = sql::database("main");
        let kept = database.transaction(|transaction| transaction.execute("INSERT INTO t VALUES (1)", ()));
        let undone: Result<(), Failure> = database.transaction(|transaction| {
            transaction.execute("INSERT INTO t VALUES (2)", ())?;
            Err(Failure::other("changed my mind"))
        });
        let found = database.query("SELECT count(*) FROM t", ())?.one::<i64>()?;
        Ok(format!("{} {} {found}", kept.is_ok(), undone.is_err()))
    }

    /// Waits between two statements, by a query that takes some time
    #[update]
    fn linger() -> Result<String> {
        let transaction = sql::database("main").begin()?;
        transaction.execute("INSERT INTO t VALUES (1)", ())?;
        let mut said = Vec::new();
        for _ in 0..40 {
            let slow = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT count(*) FROM n";
            if let Err(error) = transaction.query(slow, ()) {
                said.push(error.to_string());
                break;
            }
        }
        said.push(transaction.commit().map_or_else(|error| error.to_string(), |()| "done".to_owned()));
        Ok(said.join("; "))
    }
}
