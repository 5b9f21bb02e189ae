-- A ledger as version 0001 left it: of three batches one is collected, one was being sent by a worker that
-- is gone, and one is planned. One row was rejected.
BEGIN TRANSACTION;
CREATE TABLE account (
	id INTEGER NOT NULL, 
	environment TEXT NOT NULL, 
	key_fingerprint TEXT NOT NULL, 
	key_last4 TEXT DEFAULT ('') NOT NULL, 
	hold TEXT, 
	hold_detail TEXT, 
	held_at FLOAT, 
	hold_until FLOAT, 
	needs_read BOOLEAN DEFAULT 0 NOT NULL, 
	cautious BOOLEAN DEFAULT 0 NOT NULL, 
	unknown_streak INTEGER DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_account PRIMARY KEY (id), 
	CONSTRAINT uq_account_environment_key_fingerprint UNIQUE (environment, key_fingerprint)
);
INSERT INTO "account" VALUES(1,'sandbox','63fbd933f95bf55ddd5c766511227632','',NULL,NULL,NULL,NULL,0,0,0);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE batch (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	account_id INTEGER NOT NULL, 
	environment TEXT NOT NULL, 
	batch_no INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	state TEXT NOT NULL, 
	resend_of INTEGER, 
	task_count INTEGER NOT NULL, 
	open_tasks INTEGER NOT NULL, 
	open_rows INTEGER NOT NULL, 
	not_before FLOAT DEFAULT 0 NOT NULL, 
	attempts INTEGER DEFAULT 0 NOT NULL, 
	worker_id TEXT, 
	body_sha256 TEXT, 
	sent_at FLOAT, 
	answered_at FLOAT, 
	http_status INTEGER, 
	detail TEXT, 
	nothing_created BOOLEAN DEFAULT 0 NOT NULL, 
	batch_id TEXT, 
	processing INTEGER, 
	completed INTEGER, 
	errored INTEGER, 
	total INTEGER, 
	ready_at FLOAT, 
	asked_at FLOAT, 
	changed_at FLOAT, 
	next_poll_at FLOAT, 
	polls INTEGER DEFAULT 0 NOT NULL, 
	read_error TEXT, 
	collected_at FLOAT, 
	closed_by_person BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_batch PRIMARY KEY (id), 
	CONSTRAINT fk_batch_account_id FOREIGN KEY(account_id) REFERENCES account (id), 
	CONSTRAINT fk_batch_resend_of FOREIGN KEY(resend_of) REFERENCES batch (id), 
	CONSTRAINT fk_batch_run_id FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT uq_batch_environment_batch_id UNIQUE (environment, batch_id), 
	CONSTRAINT uq_batch_run_id_batch_no UNIQUE (run_id, batch_no)
);
INSERT INTO "batch" VALUES(1,1,1,'sandbox',1,'find_people','collected',NULL,2,0,0,0.0,1,'worker-2','51d2c2f89b74af31d7add46eff63aea7f35c671916084cd55182d86884f98240',1.70000000001163530357e+09,1.70000000012041735646e+09,NULL,NULL,0,'18e1c0d8-2055-0000-8000-0d3e7a3a0000',0,2,0,2,1.70000003140475940705e+09,1.70000003140475940705e+09,1.70000003142326188082e+09,NULL,3,NULL,1.70000003143649125103e+09,0);
INSERT INTO "batch" VALUES(2,1,1,'sandbox',2,'find_people','sending',NULL,2,2,2,0.0,1,'gone','679ec1f1f244b7e6eb766fbe32d2441868a015271ffcbc8e6c85d94ca67c42fa',1.7000000314629387856e+09,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0);
INSERT INTO "batch" VALUES(3,1,1,'sandbox',3,'find_people','planned',NULL,2,2,2,0.0,0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0);
CREATE TABLE counter (
	run_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	n INTEGER NOT NULL, 
	CONSTRAINT pk_counter PRIMARY KEY (run_id, name), 
	CONSTRAINT fk_counter_run_id FOREIGN KEY(run_id) REFERENCES run (id)
)
 WITHOUT ROWID

;
INSERT INTO "counter" VALUES(1,'found:emails',1);
INSERT INTO "counter" VALUES(1,'found:records',1);
INSERT INTO "counter" VALUES(1,'found:rows_with_email',1);
INSERT INTO "counter" VALUES(1,'found:rows_with_verified_email',1);
INSERT INTO "counter" VALUES(1,'found:verified_emails',1);
INSERT INTO "counter" VALUES(1,'outcome:matched',1);
INSERT INTO "counter" VALUES(1,'outcome:no match',1);
INSERT INTO "counter" VALUES(1,'outcome:pending',4);
INSERT INTO "counter" VALUES(1,'outcome:rejected',1);
CREATE TABLE event (
	id INTEGER NOT NULL, 
	at FLOAT NOT NULL, 
	kind TEXT NOT NULL, 
	run_id INTEGER, 
	batch_pk INTEGER, 
	account_id INTEGER, 
	rows INTEGER, 
	detail TEXT, 
	CONSTRAINT pk_event PRIMARY KEY (id)
);
INSERT INTO "event" VALUES(1,1795327388.69595,'run_created',1,NULL,NULL,NULL,'{"row_count": 7}');
INSERT INTO "event" VALUES(2,1.795327388718476057e+09,'run_planned',1,NULL,NULL,1,NULL);
INSERT INTO "event" VALUES(3,1.70000000001163530357e+09,'batch_sending',1,1,NULL,NULL,'{"worker": "worker-2"}');
INSERT INTO "event" VALUES(4,1.70000000012041735646e+09,'batch_accepted',1,1,NULL,NULL,NULL);
INSERT INTO "event" VALUES(5,1.70000000013363409038e+09,'run_paused',1,NULL,NULL,NULL,'{"reason": "paused by you"}');
INSERT INTO "event" VALUES(6,1.70000003142326188082e+09,'answers_stored',1,1,NULL,2,'{"tasks": 2}');
INSERT INTO "event" VALUES(7,1.70000003143649125103e+09,'batch_collected',1,1,NULL,NULL,NULL);
INSERT INTO "event" VALUES(8,1.70000003145038938515e+09,'run_resumed',1,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(9,1.7000000314629387856e+09,'batch_sending',1,2,NULL,NULL,'{"worker": "gone"}');
CREATE TABLE meta (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_meta PRIMARY KEY (name)
);
INSERT INTO "meta" VALUES('environment','sandbox');
INSERT INTO "meta" VALUES('salt','184aef0f614bf29630567516b96d0411');
CREATE TABLE remote_task (
	id INTEGER NOT NULL, 
	batch_pk INTEGER NOT NULL, 
	task_id TEXT NOT NULL, 
	run_id INTEGER NOT NULL, 
	task_no INTEGER, 
	tracking_id TEXT, 
	status TEXT, 
	payload TEXT, 
	listed_at FLOAT NOT NULL, 
	fetched_at FLOAT, 
	CONSTRAINT pk_remote_task PRIMARY KEY (id), 
	CONSTRAINT fk_remote_task_batch_pk FOREIGN KEY(batch_pk) REFERENCES batch (id), 
	CONSTRAINT uq_remote_task_batch_pk_task_id UNIQUE (batch_pk, task_id)
);
INSERT INTO "remote_task" VALUES(1,1,'18e1c0d8-2055-0000-8000-0d3e7a3a0001',1,1,'obx5truzjp-1','COMPLETED','{"task_id":"18e1c0d8-2055-0000-8000-0d3e7a3a0001","status":"COMPLETED","tracking_id":"obx5truzjp-1","data":[]}',1.70000003141165280341e+09,1.70000003142326188082e+09);
INSERT INTO "remote_task" VALUES(2,1,'18e1c0d8-2055-0000-8000-0d3e7a3a0002',1,2,'obx5truzjp-2','COMPLETED','{"task_id":"18e1c0d8-2055-0000-8000-0d3e7a3a0002","status":"COMPLETED","tracking_id":"obx5truzjp-2","data":[{"first_name":"Emma","last_name":"Rossi","title":"Owner & Partnerships","email":{"email":"erossi@shop1-2.example.invalid","verified":true},"phones":[],"linkedin_url":"https://www.linkedin.com/in/sandbox-emma-rossi-891659"}]}',1.70000003141165280341e+09,1.70000003142326188082e+09);
CREATE TABLE row_task (
	run_id INTEGER NOT NULL, 
	task_no INTEGER NOT NULL, 
	person_no INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	outcome TEXT NOT NULL, 
	reason TEXT, 
	flags INTEGER DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_row_task PRIMARY KEY (run_id, task_no, person_no), 
	CONSTRAINT fk_row_task_run_id FOREIGN KEY(run_id) REFERENCES run (id)
)
 WITHOUT ROWID

;
INSERT INTO "row_task" VALUES(1,1,0,1,'no match','nothing was found',0);
INSERT INTO "row_task" VALUES(1,2,0,2,'matched','1 person, verified email',3);
INSERT INTO "row_task" VALUES(1,3,0,3,'pending',NULL,0);
INSERT INTO "row_task" VALUES(1,4,0,4,'pending',NULL,0);
INSERT INTO "row_task" VALUES(1,5,0,5,'pending',NULL,0);
INSERT INTO "row_task" VALUES(1,6,0,6,'pending',NULL,0);
CREATE TABLE run (
	id INTEGER NOT NULL, 
	public_id TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	account_id INTEGER NOT NULL, 
	upload_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	mapping TEXT NOT NULL, 
	options TEXT NOT NULL, 
	content_key TEXT NOT NULL, 
	repeat_no INTEGER DEFAULT 0 NOT NULL, 
	confirm_token TEXT NOT NULL, 
	row_count INTEGER NOT NULL, 
	task_count INTEGER NOT NULL, 
	worst_credits FLOAT DEFAULT 0 NOT NULL, 
	created_at FLOAT NOT NULL, 
	planned_at FLOAT, 
	paused_at FLOAT, 
	pause_reason TEXT, 
	cancelled_at FLOAT, 
	CONSTRAINT pk_run PRIMARY KEY (id), 
	CONSTRAINT fk_run_account_id FOREIGN KEY(account_id) REFERENCES account (id), 
	CONSTRAINT fk_run_upload_id FOREIGN KEY(upload_id) REFERENCES upload (id), 
	CONSTRAINT uq_run_confirm_token UNIQUE (confirm_token), 
	CONSTRAINT uq_run_environment_content_key_repeat_no UNIQUE (environment, content_key, repeat_no), 
	CONSTRAINT uq_run_public_id UNIQUE (public_id)
);
INSERT INTO "run" VALUES(1,'obx5truzjp','sandbox',1,1,'list 1','find_people','{"domain": ["Company"]}','{"max_k": 1}','content 1',0,'token 1',7,6,66.0,1795327388.69595,1.79532738871762466426e+09,NULL,NULL,NULL);
CREATE TABLE task (
	run_id INTEGER NOT NULL, 
	task_no INTEGER NOT NULL, 
	batch_pk INTEGER NOT NULL, 
	domain TEXT NOT NULL, 
	request TEXT NOT NULL, 
	task_id TEXT, 
	status TEXT, 
	final_at FLOAT, 
	CONSTRAINT pk_task PRIMARY KEY (run_id, task_no), 
	CONSTRAINT fk_task_batch_pk FOREIGN KEY(batch_pk) REFERENCES batch (id), 
	CONSTRAINT fk_task_run_id FOREIGN KEY(run_id) REFERENCES run (id)
)
 WITHOUT ROWID

;
INSERT INTO "task" VALUES(1,1,1,'shop1-1.example','{"domain": "shop1-1.example", "title": "Owner", "max_k": 1, "info_access": ["EMAIL", "PHONE"]}','18e1c0d8-2055-0000-8000-0d3e7a3a0001','COMPLETED',1.70000003142326188082e+09);
INSERT INTO "task" VALUES(1,2,1,'shop1-2.example','{"domain": "shop1-2.example", "title": "Owner", "max_k": 1, "info_access": ["EMAIL", "PHONE"]}','18e1c0d8-2055-0000-8000-0d3e7a3a0002','COMPLETED',1.70000003142326188082e+09);
INSERT INTO "task" VALUES(1,3,2,'shop1-3.example','{"domain": "shop1-3.example", "title": "Owner", "max_k": 1, "info_access": ["EMAIL", "PHONE"]}',NULL,NULL,NULL);
INSERT INTO "task" VALUES(1,4,2,'shop1-4.example','{"domain": "shop1-4.example", "title": "Owner", "max_k": 1, "info_access": ["EMAIL", "PHONE"]}',NULL,NULL,NULL);
INSERT INTO "task" VALUES(1,5,3,'shop1-5.example','{"domain": "shop1-5.example", "title": "Owner", "max_k": 1, "info_access": ["EMAIL", "PHONE"]}',NULL,NULL,NULL);
INSERT INTO "task" VALUES(1,6,3,'shop1-6.example','{"domain": "shop1-6.example", "title": "Owner", "max_k": 1, "info_access": ["EMAIL", "PHONE"]}',NULL,NULL,NULL);
CREATE TABLE upload (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	format TEXT NOT NULL, 
	columns TEXT NOT NULL, 
	row_count INTEGER NOT NULL, 
	parquet TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	CONSTRAINT pk_upload PRIMARY KEY (id)
);
INSERT INTO "upload" VALUES(1,'list.csv','0000000000000000000000000000000000000000000000000000000000000000','{}','["Company"]',7,'obx5truzjp.parquet',1795327388.69595);
CREATE TABLE uploaded_row (
	run_id INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	file_line INTEGER NOT NULL, 
	intake TEXT NOT NULL, 
	code TEXT, 
	reason TEXT, 
	domain TEXT, 
	asked_title TEXT, 
	duplicate_of INTEGER, 
	outcome TEXT NOT NULL, 
	outcome_reason TEXT, 
	flags INTEGER DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_uploaded_row PRIMARY KEY (run_id, seq), 
	CONSTRAINT fk_uploaded_row_run_id FOREIGN KEY(run_id) REFERENCES run (id)
)
 WITHOUT ROWID

;
INSERT INTO "uploaded_row" VALUES(1,1,2,'accepted',NULL,NULL,'shop1-1.example','Owner',NULL,'no match','nothing was found',0);
INSERT INTO "uploaded_row" VALUES(1,2,3,'accepted',NULL,NULL,'shop1-2.example','Owner',NULL,'matched','1 person, verified email',3);
INSERT INTO "uploaded_row" VALUES(1,3,4,'accepted',NULL,NULL,'shop1-3.example','Owner',NULL,'pending',NULL,0);
INSERT INTO "uploaded_row" VALUES(1,4,5,'accepted',NULL,NULL,'shop1-4.example','Owner',NULL,'pending',NULL,0);
INSERT INTO "uploaded_row" VALUES(1,5,6,'accepted',NULL,NULL,'shop1-5.example','Owner',NULL,'pending',NULL,0);
INSERT INTO "uploaded_row" VALUES(1,6,7,'accepted',NULL,NULL,'shop1-6.example','Owner',NULL,'pending',NULL,0);
INSERT INTO "uploaded_row" VALUES(1,7,8,'rejected','no_domain','no domain',NULL,NULL,NULL,'rejected','no domain',0);
CREATE INDEX ix_event_run_id_kind ON event (run_id, kind);
CREATE INDEX ix_batch_run_id_state ON batch (run_id, state);
CREATE INDEX ix_batch_state_not_before ON batch (state, not_before);
CREATE INDEX ix_row_task_run_id_seq ON row_task (run_id, seq);
CREATE INDEX ix_remote_task_run_id_task_no ON remote_task (run_id, task_no);
CREATE INDEX ix_task_batch_pk ON task (batch_pk);
COMMIT;
