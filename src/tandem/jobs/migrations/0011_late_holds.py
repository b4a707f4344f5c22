from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0010_explained_cancels"),
    ]

    operations = [
        migrations.AddField(
            model_name="placement",
            name="hold_sent",
            field=models.BooleanField(
                default=False,
                help_text="we did once: whenever that arrives, it is not the person's own doing on the cluster",
            ),
        ),
    ]
