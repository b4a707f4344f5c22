from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0005_requeue_until"),
    ]

    operations = [
        migrations.AddField(
            model_name="placement",
            name="sightings",
            field=models.JSONField(default=list, help_text="an array's tasks as its cluster last showed each of them"),
        ),
        migrations.AddField(
            model_name="task",
            name="correctable_until",
            field=models.DateTimeField(help_text="interrupted: a late result is still looked for", null=True),
        ),
    ]
