-- A state file as the first version of headgate left it, in mid-rollout (sqlite3 .dump; the format's number is not part of that).
PRAGMA user_version=1;
BEGIN TRANSACTION;
CREATE TABLE history (
    service TEXT NOT NULL,
    revision INTEGER NOT NULL,
    at_s REAL NOT NULL,
    record TEXT NOT NULL,
    position TEXT NOT NULL,
    PRIMARY KEY (service, revision)
) WITHOUT ROWID;
INSERT INTO "history" VALUES('shop',1,1700000000.0,'{"kind":"first","reason":"v1 is stable at once: there is nothing to compare it with","figures":{},"by":"configuration"}','{"service":"shop","stable":"v1","phase":"stable","candidate":"","target":"v1","fingerprint":"aa","rollout":0,"plan":{"strategy":"canary","steps":[{"type":"weight","weight_bp":500,"for_s":300.0,"min_requests":0},{"type":"weight","weight_bp":2500,"for_s":300.0,"min_requests":0},{"type":"weight","weight_bp":5000,"for_s":300.0,"min_requests":0}],"guard":{"alpha":0.001,"ratio":1.5,"min_failures":3,"failures":["status_5xx","connect","timeout","reset","protocol"],"action":"rollback"},"deadline_s":0.0,"on_deadline":"rollback","drain_s":10.0},"step":0,"weight_bp":0,"step_elapsed_s":0.0,"step_requests":0,"elapsed_s":0.0,"reason":"","configured":"v1","since_s":0.0,"guard_floor":0.0}');
INSERT INTO "history" VALUES('shop',2,1700000100.0,'{"kind":"started","reason":"the target is v2; step 1 of 2: 5 % to v2","figures":{"rollout":1,"from":"v1","to":"v2","step":0,"weight_bp_before":0,"weight_bp":500},"by":"token"}','{"service":"shop","stable":"v1","phase":"progressing","candidate":"v2","target":"v2","fingerprint":"aa","rollout":1,"plan":{"strategy":"canary","steps":[{"type":"weight","weight_bp":500,"for_s":60.0,"min_requests":100},{"type":"gate","gate":"manual"}],"guard":{"alpha":0.001,"ratio":1.5,"min_failures":3,"failures":["status_5xx","connect","timeout","reset","protocol"],"action":"rollback"},"deadline_s":0.0,"on_deadline":"rollback","drain_s":10.0},"step":0,"weight_bp":500,"step_elapsed_s":0.0,"step_requests":0,"elapsed_s":0.0,"reason":"","configured":"v1","since_s":1700000100.0,"guard_floor":0.0}');
CREATE TABLE positions (
    service TEXT PRIMARY KEY,
    position TEXT NOT NULL,
    tally TEXT
) WITHOUT ROWID;
INSERT INTO "positions" VALUES('shop','{"service":"shop","stable":"v1","phase":"progressing","candidate":"v2","target":"v2","fingerprint":"aa","rollout":1,"plan":{"strategy":"canary","steps":[{"type":"weight","weight_bp":500,"for_s":60.0,"min_requests":100},{"type":"gate","gate":"manual"}],"guard":{"alpha":0.001,"ratio":1.5,"min_failures":3,"failures":["status_5xx","connect","timeout","reset","protocol"],"action":"rollback"},"deadline_s":0.0,"on_deadline":"rollback","drain_s":10.0},"step":0,"weight_bp":500,"step_elapsed_s":4.5,"step_requests":20,"elapsed_s":4.5,"reason":"","configured":"v1","since_s":1700000100.0,"guard_floor":0.0}','{"rollout":1,"causes":["connect","protocol","reset","status_5xx","timeout"],"rows":{"500":{"candidate_requests":20,"stable_requests":400,"candidate":{"status_5xx":2},"stable":{}}},"users":"BwAAAAAAAAA=","candidate_users":1,"stable_users":0,"users_uncounted":0,"first_failure_s":1700000101.0,"last_failure_s":1700000101.0}');
CREATE TRIGGER history_is_append_only BEFORE UPDATE ON history
BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
COMMIT;
