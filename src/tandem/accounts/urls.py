"""Addresses of signing in, of a person's own account, and of looking after people."""

from django.urls import path

from tandem.accounts import people_views, views

urlpatterns = [
    path("sign-in", views.sign_in, name="sign-in"),
    path("sign-out", views.sign_out, name="sign-out"),
    path("link", views.one_time_link, name="one-time-link"),
    path("link/use", views.use_one_time_link, name="use-one-time-link"),
    path("account/", views.account, name="account"),
    path("account/password", views.change_password, name="change-password"),
    path("account/tokens", views.create_token, name="create-token"),
    path("account/tokens/<int:pk>/revoke", views.revoke_token, name="revoke-token"),
    path("account/sign-ins/end", views.end_other_sign_ins, name="end-other-sign-ins"),
    path("account/sign-ins/<slug:handle>/end", views.end_sign_in, name="end-sign-in"),
    path("people/", people_views.people, name="people"),
    path("people/add", people_views.add, name="add-person"),
    path("people/<str:username>/", people_views.person, name="person"),
    path("people/<str:username>/invite", people_views.invite, name="invite-person"),
    path("people/<str:username>/reset", people_views.reset, name="reset-person"),
    path("people/<str:username>/disable", people_views.disable, name="disable-person"),
    path("people/<str:username>/enable", people_views.enable, name="enable-person"),
    path("people/<str:username>/promote", people_views.promote, name="promote-person"),
    path("people/<str:username>/demote", people_views.demote, name="demote-person"),
    path("people/<str:username>/groups", people_views.groups, name="person-groups"),
]
