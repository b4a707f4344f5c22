from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0004_lists"),
    ]

    operations = [
        migrations.AddField(
            model_name="placement",
            name="requeue_until",
            field=models.DateTimeField(
                help_text="by the scheduler's clock: what it started until then is to start again", null=True
            ),
        ),
    ]
