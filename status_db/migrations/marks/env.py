"""How the marks are migrated: on the connection that status_db.store.migrate hands over."""

from alembic import context

from status_db.tables import marks

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=marks,
    version_table=attributes["version_table"],
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
