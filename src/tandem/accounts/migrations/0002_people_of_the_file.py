from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="person",
            name="in_file",
            field=models.BooleanField(
                help_text="whether the environment file names the person; empty: it never did", null=True
            ),
        ),
        migrations.AlterField(
            model_name="signinfailure",
            name="at",
            field=models.DateTimeField(db_index=True, help_text="by the database's clock"),
        ),
    ]
