from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0009_spooler_lists"),
    ]

    operations = [
        migrations.AddField(
            model_name="placement",
            name="explained",
            field=models.TextField(
                blank=True,
                default="",
                help_text="array tasks whose cancel is nobody's wish, as 0-9,12: it was ours or the scheduler's own",
            ),
            preserve_default=False,
        ),
    ]
