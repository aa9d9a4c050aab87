// What one run of the suite found: report.mjs (NAME) (FOLDER) (EXIT CODE OF THE SUITE). The suite scores some of its checks only, and
// forgives warnings; here every check counts, and a warning is a failure.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [run, folder, exitCode] = process.argv.slice(2);
const counts = { passed: 0, failed: 0, skipped: 0 };

function fail(scenario, what) {
    counts.failed += 1;
    console.log(`FAIL  ${scenario}: ${what}`);
}

/** Skips of one scenario often have one reason: how many there are of each. */
function skips(scenario, checks) {
    const reasons = new Map();
    for (const check of checks) {
        const reason = check.errorMessage ?? check.details?.message ?? check.details?.note ?? check.description;
        reasons.set(reason, [...(reasons.get(reason) ?? []), check.id]);
    }
    for (const [reason, ids] of reasons) {
        counts.skipped += ids.length;
        console.log(`skip  ${scenario}: ${ids.length > 1 ? `${ids.length} checks` : ids[0]}: ${reason}`);
    }
}

for (const entry of existsSync(folder) ? readdirSync(folder).sort() : []) {
    // `server-NAME-DATE`
    const scenario = entry.replace(/^server-/, '').replace(/-\d{4}-\d{2}-\d{2}T[\dZ-]+$/, '');
    const file = join(folder, entry, 'checks.json');
    if (!existsSync(file)) {
        fail(scenario, 'did not come to its end');
        continue;
    }
    const checks = JSON.parse(readFileSync(file, 'utf8'));
    counts.passed += checks.filter((check) => check.status === 'SUCCESS').length;
    for (const { id, status, errorMessage, description } of checks.filter((check) => ['FAILURE', 'WARNING'].includes(check.status))) {
        fail(scenario, `${id} (${status.toLowerCase()}): ${errorMessage ?? description}`);
    }
    skips(scenario, checks.filter((check) => check.status === 'SKIPPED'));
}
if (counts.passed === 0) fail(run, 'nothing passed');
if (exitCode !== '0' && counts.failed === 0) fail(run, `the suite ended with exit code ${exitCode}`);
console.log(`${run}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
