"""What somebody who has a role of the database may try: statements, one a line."""

#: What no role may do, whoever it is.
NOBODY = """
CREATE TABLE mine (a int)
CREATE TABLE public.status_of_mine AS SELECT * FROM pg_class
CREATE UNLOGGED TABLE mine (a int)
CREATE SCHEMA mine
CREATE SCHEMA AUTHORIZATION CURRENT_USER
CREATE VIEW mine AS SELECT 1
CREATE MATERIALIZED VIEW mine AS SELECT 1 AS a
CREATE SEQUENCE mine
CREATE TYPE mine AS (a int)
CREATE DOMAIN mine AS int
CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE FUNCTION mine() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'
CREATE FUNCTION mine() RETURNS int LANGUAGE c AS 'libc.so.6', 'system'
CREATE PROCEDURE mine() LANGUAGE sql AS 'SELECT 1'
CREATE AGGREGATE mine(int) (SFUNC = int4pl, STYPE = int)
CREATE OPERATOR public.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)
CREATE COLLATION mine FROM "C"
CREATE TEXT SEARCH CONFIGURATION mine (COPY = simple)
CREATE EXTENSION dblink
CREATE EXTENSION pg_trgm
CREATE EXTENSION plpython3u
CREATE LANGUAGE plpython3u
CREATE FOREIGN DATA WRAPPER mine
CREATE SERVER mine FOREIGN DATA WRAPPER postgres_fdw
CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION suppress_redundant_updates_trigger()
CREATE PUBLICATION mine FOR ALL TABLES
CREATE SUBSCRIPTION mine CONNECTION 'host=127.0.0.1 dbname=x' PUBLICATION x
CREATE DATABASE mine
CREATE ROLE mine SUPERUSER
CREATE TABLESPACE mine LOCATION '/tmp'
CREATE INDEX ON status (verdict)
CREATE STATISTICS mine ON verdict, reason FROM status
CREATE POLICY mine ON account USING (true)
CREATE RULE mine AS ON UPDATE TO status DO INSTEAD NOTHING
CREATE TRIGGER mine BEFORE INSERT ON decision EXECUTE FUNCTION suppress_redundant_updates_trigger()
ALTER TABLE status ADD COLUMN more int
ALTER TABLE status DISABLE TRIGGER ALL
ALTER TABLE status DISABLE ROW LEVEL SECURITY
ALTER TABLE ledger DROP CONSTRAINT ledger_pkey
ALTER TABLE certificate OWNER TO CURRENT_USER
ALTER SCHEMA public RENAME TO other
ALTER DATABASE {database} SET search_path TO mine
ALTER ROLE CURRENT_USER SUPERUSER
ALTER ROLE CURRENT_USER CREATEROLE
ALTER ROLE CURRENT_USER BYPASSRLS
ALTER ROLE CURRENT_USER REPLICATION
ALTER ROLE {owner} PASSWORD 'x'
ALTER SYSTEM SET fsync = off
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT ALL ON TABLES TO PUBLIC
GRANT {owner} TO CURRENT_USER
GRANT pg_write_server_files TO CURRENT_USER
SET ROLE {owner}
SET SESSION AUTHORIZATION {owner}
SET session_replication_role = replica
SET allow_system_table_mods = on
SET log_statement = 'none'
REASSIGN OWNED BY {owner} TO CURRENT_USER
DROP OWNED BY {owner}
DROP TABLE status CASCADE
DROP SCHEMA public CASCADE
TRUNCATE status
TRUNCATE ledger
TRUNCATE audit
COPY status TO PROGRAM 'cat'
COPY (SELECT 1) TO PROGRAM 'sh -c true'
COPY (SELECT 1) TO '/tmp/clearance-mine'
COPY cohort FROM '/etc/passwd'
COPY ledger FROM PROGRAM 'true'
SELECT pg_read_file('/etc/passwd')
SELECT pg_read_binary_file('postgresql.conf')
SELECT pg_ls_dir('.')
SELECT pg_ls_waldir()
SELECT pg_stat_file('postgresql.conf')
SELECT lo_import('/etc/passwd')
SELECT lo_export(1, '/tmp/clearance-mine')
SELECT lo_creat(-1)
SELECT lo_create(4711)
SELECT lo_from_bytea(0, 'x')
SELECT lo_put(1, 0, 'x')
SELECT lo_unlink(1)
SELECT lo_open(1, 131072)
SELECT lowrite(0, 'x')
SELECT * FROM pg_authid
SELECT * FROM pg_shadow
SELECT * FROM pg_user_mapping
SELECT * FROM pg_largeobject
SELECT * FROM pg_statistic
SELECT * FROM pg_hba_file_rules
SELECT * FROM pg_file_settings
SELECT pg_reload_conf()
SELECT pg_rotate_logfile()
SELECT pg_switch_wal()
SELECT pg_create_restore_point('x')
SELECT pg_create_physical_replication_slot('mine')
SELECT pg_logical_emit_message(false, 'x', 'x') FROM pg_create_logical_replication_slot('mine', 'test_decoding')
SELECT pg_advisory_lock(1)
SELECT pg_try_advisory_lock(1)
SELECT pg_advisory_lock(1668048225, 0)
SELECT pg_advisory_xact_lock(1668048225, 0)
SELECT pg_try_advisory_xact_lock(1668048225, 0)
UPDATE pg_class SET relacl = NULL WHERE relname = 'status'
UPDATE pg_authid SET rolsuper = true
DELETE FROM pg_proc WHERE proname = 'now'
COMMENT ON TABLE status IS 'x'
UPDATE ledger SET mac = ''
DELETE FROM ledger
UPDATE flip SET after = 'cleared'
DELETE FROM flip
DELETE FROM decision
DELETE FROM certificate
DELETE FROM student
DELETE FROM cohort
UPDATE audit SET account = 'x'
UPDATE version_marks SET version_num = '0'
DELETE FROM version_desk
UPDATE decision SET student = 'S2'
UPDATE decision SET verdict = 'cleared'
UPDATE certificate SET student = 'S2'
UPDATE certificate SET number = 'x'
UPDATE student SET student = 'S2'
UPDATE record SET student = 'S2'
UPDATE status SET student = 'S2'
UPDATE run SET "by" = 'x'
UPDATE account SET account = 'x'
UPDATE account SET student = 'S1'
UPDATE account SET demo = true
UPDATE token SET account = 'x'
UPDATE request SET account = 'x'
UPDATE request SET kind = 'opinion'
UPDATE upload SET account = 'x'
UPDATE objection SET student = 'S2'
UPDATE announcement SET body = 'x'
LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE
LOCK TABLE decision IN ACCESS EXCLUSIVE MODE
LOCK TABLE run IN EXCLUSIVE MODE
LOCK TABLE cohort IN EXCLUSIVE MODE
SELECT setval('run_run_seq', 1)
SELECT setval('decision_decision_seq', 1)
""".strip().splitlines()

#: What the sync alone may do: it removes what retention lets go.
REMOVES = """
DELETE FROM audit
DELETE FROM account
DELETE FROM token
DELETE FROM request
LOCK TABLE audit IN EXCLUSIVE MODE
""".strip().splitlines()

#: What each may not do besides: it is another's work.
OTHERS = {
    "students": """
SELECT * FROM student
SELECT * FROM decision
SELECT * FROM staff_session
SELECT * FROM token
SELECT * FROM passkey
SELECT * FROM recovery_code
SELECT * FROM factor_step
SELECT * FROM upload
SELECT * FROM retention_run
SELECT * FROM pending_change
SELECT * FROM source_pause
INSERT INTO staff_session DEFAULT VALUES
INSERT INTO "grant" DEFAULT VALUES
UPDATE "grant" SET act = 'manage'
DELETE FROM "grant"
INSERT INTO code DEFAULT VALUES
INSERT INTO announcement DEFAULT VALUES
UPDATE announcement SET body = 'x'
UPDATE request SET served_at = now()
UPDATE account SET mac = ''
UPDATE account SET active = true
UPDATE account SET second_factor = ''
UPDATE code SET until = now()
UPDATE objection SET mac = ''
INSERT INTO account (account, name, active, created_at) VALUES ('boss', 'x', true, now())
INSERT INTO audit (at, account, deed, detail, address, chain) VALUES (now(), 'x', 'x', '{}', '', 'desk')
""",
    "portal": """
INSERT INTO status VALUES ('2019', 'S9', 'library', 'cleared', 'x', NULL, now(), 1)
UPDATE status SET verdict = 'cleared'
INSERT INTO decision DEFAULT VALUES
INSERT INTO ledger DEFAULT VALUES
SELECT * FROM student FOR UPDATE
SELECT * FROM status FOR KEY SHARE
SELECT * FROM account
SELECT * FROM session
SELECT nextval('run_run_seq')
CREATE TEMPORARY TABLE status (a int)
LOCK TABLE status IN SHARE MODE
LOCK TABLE status IN ROW EXCLUSIVE MODE
SELECT pg_advisory_xact_lock(1)
SELECT pg_advisory_xact_lock_shared(1668048225, 0)
""",
    "desk": """
SELECT * FROM student
SELECT * FROM status
SELECT * FROM decision
SELECT * FROM ledger
INSERT INTO decision DEFAULT VALUES
UPDATE status SET verdict = 'cleared'
UPDATE request SET served_at = now()
UPDATE request SET outcome = 'done'
CREATE TEMPORARY TABLE account (a int)
SELECT nextval('decision_decision_seq')
INSERT INTO cohort VALUES ('x', 'x', 1)
LOCK TABLE student IN ACCESS SHARE MODE
""",
    "operator": """
SELECT * FROM account
SELECT * FROM session
SELECT * FROM audit
INSERT INTO account DEFAULT VALUES
UPDATE status SET verdict = 'cleared'
DELETE FROM status
INSERT INTO record DEFAULT VALUES
INSERT INTO student DEFAULT VALUES
INSERT INTO run DEFAULT VALUES
INSERT INTO opinion DEFAULT VALUES
INSERT INTO applied_settings DEFAULT VALUES
UPDATE applied_settings SET digest = ''
UPDATE cohort SET name = 'x'
UPDATE decision SET reason = 'x'
UPDATE certificate SET decision = 1
UPDATE certificate SET issued_by = 'x'
UPDATE batch SET author = 'x'
CREATE TEMPORARY TABLE status (a int)
LOCK TABLE decision IN SHARE MODE
""",
    "sync": """
INSERT INTO pending_change DEFAULT VALUES
UPDATE pending_change SET outcome = NULL
INSERT INTO source_pause DEFAULT VALUES
UPDATE source_pause SET resumed_at = now()
INSERT INTO decision DEFAULT VALUES
INSERT INTO certificate DEFAULT VALUES
INSERT INTO batch DEFAULT VALUES
UPDATE decision SET withdrawn_at = now()
UPDATE certificate SET revoked_at = now()
UPDATE batch SET undone_at = now()
UPDATE alias SET student = 'S2'
UPDATE stranger SET student = 'S2'
UPDATE opinion SET says = 'approve'
UPDATE reversal SET records = ''
UPDATE wave SET most = 9999
UPDATE pending SET snapshot = ''
DELETE FROM run
DELETE FROM opinion
DELETE FROM reversal
DELETE FROM wave
DELETE FROM applied_settings
INSERT INTO account DEFAULT VALUES
UPDATE account SET password_hash = 'x'
UPDATE "grant" SET act = 'manage'
INSERT INTO "grant" DEFAULT VALUES
INSERT INTO request DEFAULT VALUES
INSERT INTO upload DEFAULT VALUES
SELECT setval('audit_line_seq', 1)
LOCK TABLE decision IN SHARE MODE
LOCK TABLE wave IN EXCLUSIVE MODE
""",
}
