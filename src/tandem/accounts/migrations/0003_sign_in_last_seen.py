from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_people_of_the_file"),
    ]

    operations = [
        migrations.AddField(
            model_name="signin",
            name="last_seen_at",
            field=models.DateTimeField(null=True, help_text="when the browser last asked for something, to the minute"),
        ),
    ]
