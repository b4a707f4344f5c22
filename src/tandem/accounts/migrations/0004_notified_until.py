from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_sign_in_last_seen"),
    ]

    operations = [
        migrations.AddField(
            model_name="person",
            name="notified_until",
            field=models.PositiveBigIntegerField(
                default=0, help_text="id of the newest event that the person was shown as a notification"
            ),
        ),
    ]
