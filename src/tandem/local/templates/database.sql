CREATE DATABASE IF NOT EXISTS `{{name}}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE USER IF NOT EXISTS `{{name}}`@`10.77.%` IDENTIFIED BY '{{password}}';
ALTER USER `{{name}}`@`10.77.%` IDENTIFIED BY '{{password}}';
GRANT ALL PRIVILEGES ON `{{name}}`.* TO `{{name}}`@`10.77.%`;
